"""What a run will do: the config and recordings.tsv, read, checked together, and resolved for each step.

Everything that can be wrong before a recording is opened is found here, all at once. Light to import: the Snakefile
reads its plan with it.
"""

from __future__ import annotations

import copy
import csv
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from curbd.config import (
    NAME,
    OWN_RECORDING,
    RESERVED_NAMES,
    Config,
    Defaults,
    FitSettings,
    Model,
    RecordingSettings,
    Section,
)
from curbd.errors import UserError, did_you_mean, mistake
from curbd.validation import annotation_at, check, dotted, long_steps, takes_text

REQUIRED_COLUMNS = ("recording", "path", "format")
FORMATS = ("nwb", "hdf5")
_TABLE_PATHS = (("regions", "mapping"), ("regions", "merge"))
"""Settings that may name a table; in recordings.tsv, their relative paths start at its folder too."""


@dataclass(frozen=True)
class Recording:
    """One row of recordings.tsv: a file, and the settings that hold for it."""

    name: str
    path: Path
    format: str
    settings: Defaults

    def tables(self) -> list[str]:
        """Tables of region labels that the settings name."""
        named = (self.settings.regions.mapping, self.settings.regions.merge)
        return [text for text in named if isinstance(text, str)]


@dataclass(frozen=True)
class Plan:
    """A config and its recordings."""

    config: Config
    recordings: dict[str, Recording]

    def recording_settings(self, recording: str, model: str | None = None) -> RecordingSettings:
        """How a file becomes a recording; a model may have its own bins, smoothing and scaling."""
        settings = self.recordings[recording].settings
        values = {key: getattr(settings, key) for key in RecordingSettings.model_fields}
        if model is not None:
            values |= _given(self.config.models[model], OWN_RECORDING)
        return RecordingSettings.model_construct(**values)

    def has_own_recording(self, model: str) -> bool:
        """Whether a model replaces bin width, smoothing or scaling, and so needs its own recording.nc."""
        return bool(_given(self.config.models[model], OWN_RECORDING))

    def unit_tables(self) -> list[str]:
        """Tables of units that the inactivations name."""
        return sorted({table for _, table in _unit_tables(self.config)})

    def fit_model(self, recording: str, model: str) -> Model:
        """A model with everything that its fit uses filled in."""
        chosen = self.config.models[model]
        settings = self.recordings[recording].settings
        shared = {key: getattr(settings, key) for key in FitSettings.model_fields}
        return chosen.model_copy(
            update={
                "estimator": chosen.estimator_name(),
                "options": chosen.estimator_options().model_dump(),
                **dict.fromkeys(OWN_RECORDING),
                **shared,
                **_given(chosen, tuple(FitSettings.model_fields)),
            }
        )


def _given(model: Model, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: getattr(model, key) for key in keys if getattr(model, key) is not None}


def as_json(settings: Section | Mapping[str, Section]) -> str:
    """Settings as one line that is the same for the same settings."""
    plain = (
        settings.model_dump(mode="json")
        if isinstance(settings, Section)
        else {name: section.model_dump(mode="json") for name, section in settings.items()}
    )
    return json.dumps(plain, sort_keys=True)


def read_plan(config: Mapping[str, Any] | Path | str, file: str = "", made: Collection[str] = ()) -> Plan:
    """Read and check a config and its table of recordings.

    Parameters
    ----------
    config : the config as plain data, or the path of its YAML file. Relative paths in it start at the working
        directory, those in recordings.tsv at the folder of that table.
    file : what messages call the config, where plain data are given.
    made : files that the workflow itself writes, which may be missing now.

    Raises
    ------
    UserError : every mistake in the config, then every mistake in recordings.tsv, one line each.
    """
    data = _read_yaml(Path(config)) if isinstance(config, (str, Path)) else config
    file = str(config) if isinstance(config, (str, Path)) else file or "config"
    checked, wrong = check(Config, data, lambda path: ", ".join(filter(None, [file, dotted(path)])))
    if checked is None:
        raise UserError("\n".join(wrong))
    wrong = _missing_tables(checked.defaults, f"{file}, defaults") + _missing_unit_tables(checked, file)
    recordings, more = _read_recordings(Path(checked.recordings), file, data.get("defaults", {}), made)
    plan = Plan(checked, recordings)
    wrong += more + _unknown_experiments(checked, recordings) + _long_steps(plan, file)
    if wrong:
        raise UserError("\n".join(wrong))
    return plan


def _long_steps(plan: Plan, file: str) -> list[str]:
    """Models with Euler steps longer than the time constant, where the settings tell the bin width."""
    wrong = []
    for recording in plan.recordings:
        for name in plan.config.models:
            dt_s, model = plan.recording_settings(recording, name).bin_width_s, plan.fit_model(recording, name)
            if dt_s is not None:
                wrong += long_steps(f"{file}, models.{name}", dt_s, model.tau_s, model.substeps)
    return list(dict.fromkeys(wrong))


def _unknown_experiments(config: Config, recordings: Mapping[str, Recording]) -> list[str]:
    """Perturbed trials that are like no entry of `inactivations`, each told once."""
    names = {one.like for recording in recordings.values() for one in recording.settings.perturbed}
    return [
        mistake(
            "perturbed, like",
            found=f'"{name}"',
            expected=f"an entry of inactivations: {', '.join(config.inactivations) or 'there is none'}",
            todo=did_you_mean(name, config.inactivations),
        )
        for name in sorted(names - set(config.inactivations))
    ]


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError.at(str(path), found="no such file", expected="a config in YAML") from None
    except OSError as error:
        raise UserError.at(str(path), found=f"no readable file ({error})", expected="a config in YAML") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError.at(str(path), found=f"no YAML ({error})", expected="a config in YAML") from None


def _read_recordings(
    table: Path, config_file: str, defaults: Mapping[str, Any], made: Collection[str]
) -> tuple[dict[str, Recording], list[str]]:
    """The rows of recordings.tsv, and every mistake in them."""
    place = f"{config_file}, recordings"
    try:
        lines = table.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        todo = "relative paths start at the working directory"
        return {}, [mistake(place, found=f'"{table}" (no such file)', expected="a TSV of recordings", todo=todo)]
    except (OSError, UnicodeDecodeError) as error:
        return {}, [mistake(place, found=f'"{table}" ({error})', expected="a TSV of recordings in UTF-8")]
    rows = [
        (number, [cell.strip() for cell in next(csv.reader([line], delimiter="\t"))])
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if len(rows) < 2:
        return {}, [mistake(str(table), found="no recordings", expected="a header line and a line for each recording")]
    header = rows[0][1]
    wrong = _header_mistakes(f"{table}, line {rows[0][0]}", header)
    if wrong:
        return {}, wrong
    recordings: dict[str, Recording] = {}
    first_line: dict[str, int] = {}
    for number, cells in rows[1:]:
        place = f"{table}, line {number}"
        if len(cells) > len(header):
            wrong.append(mistake(place, found=f"{len(cells)} cells", expected=f"{len(header)}, as in the header"))
            continue
        row = dict(zip(header, cells, strict=False))
        name = row["recording"]
        wrong += _row_mistakes(place, row, table.parent, made)
        if name in first_line:
            found = f'"{name}", as in line {first_line[name]}'
            wrong.append(mistake(f"{place}, recording", found=found, expected="a name of its own"))
        first_line.setdefault(name, number)
        settings, more = _row_settings(place, row, table.parent, defaults)
        wrong += more
        if settings is not None:
            path = _plain(table.parent / row.get("path", ""), made)
            recordings[name] = Recording(name, path, row.get("format", ""), settings)
    return recordings, wrong


def _plain(path: Path, made: Collection[str]) -> Path:
    """The path without `..`, unless a link on the way makes that another file."""
    plain = Path(os.path.normpath(path))
    same = str(plain) in made or (plain.exists() and path.exists() and plain.samefile(path))
    return plain if same else path


def _header_mistakes(place: str, header: list[str]) -> list[str]:
    missing = [column for column in REQUIRED_COLUMNS if column not in header]
    if missing:
        todo = "columns are separated by tabs" if len(header) == 1 else ""
        return [
            mistake(place, found=f"no column {', '.join(missing)}", expected=", ".join(REQUIRED_COLUMNS), todo=todo)
        ]
    wrong = [
        mistake(f"{place}, {column}", found="the column twice", expected="each column once")
        for column in sorted({column for column in header if header.count(column) > 1})
    ]
    known = [*REQUIRED_COLUMNS, *_setting_names(Defaults)]
    for column in header:
        if column not in REQUIRED_COLUMNS and annotation_at(Defaults, tuple(column.split("."))) is None:
            todo = did_you_mean(column, known) or f"the keys are {', '.join(Defaults.model_fields)}"
            expected = "a key of `defaults`, nested ones with dots"
            wrong.append(
                mistake(f"{place}, {column}", found="a column that is not known", expected=expected, todo=todo)
            )
    return wrong


def _row_mistakes(place: str, row: Mapping[str, str], folder: Path, made: Collection[str]) -> list[str]:
    wrong = []
    name, path, kind = row["recording"], row.get("path", ""), row.get("format", "")
    if not re.fullmatch(NAME, name) or name in RESERVED_NAMES:
        expected = "letters, digits, `_`, `.`, `+` and `-`, the first no `.`, `+` or `-`"
        if name in RESERVED_NAMES:
            expected = f"a name other than {', '.join(RESERVED_NAMES)}, which are folders of the results"
        wrong.append(mistake(f"{place}, recording", found=f'"{name}"', expected=expected))
    if not (folder / path).is_file() and os.path.normpath(folder / path) not in made:
        found = f'"{path}" (no such file)' if path else "nothing"
        todo = "relative paths start at the folder of this table"
        wrong.append(mistake(f"{place}, path", found=found, expected="an NWB or HDF5 file", todo=todo))
    if kind not in FORMATS:
        todo = did_you_mean(kind.lower(), FORMATS)
        found = f'"{kind}"' if kind else "nothing"
        wrong.append(mistake(f"{place}, format", found=found, expected=" or ".join(FORMATS), todo=todo))
    return wrong


def _row_settings(
    place: str, row: Mapping[str, str], folder: Path, defaults: Mapping[str, Any]
) -> tuple[Defaults | None, list[str]]:
    """The defaults with the further cells of a row laid over them; an empty cell leaves the default."""
    data = copy.deepcopy(dict(defaults))
    clashes = []
    for column, cell in row.items():
        if column in REQUIRED_COLUMNS or not cell:
            continue
        *sections, key = path = tuple(column.split("."))
        try:
            value = yaml.safe_load(cell)
        except yaml.YAMLError:
            value = cell
        # A text such as 007 or yes stays what it says.
        if takes_text(annotation_at(Defaults, path)) and not isinstance(value, (dict, list)) and value is not None:
            value = str(folder / cell) if path in _TABLE_PATHS else cell
        section = data
        for depth, name in enumerate(sections, start=1):
            section = section.setdefault(name, {})
            if not isinstance(section, dict):
                above = ".".join(sections[:depth])
                found = f"{above} as well, which holds no keys"
                clashes.append(mistake(f"{place}, {column}", found=found, expected=f"{above} or its keys, not both"))
                break
        else:
            section[key] = value

    def named(path: tuple[str | int, ...]) -> str:
        # The longest column that the path lies under; else the mistake is in the config and is told there.
        columns = [column for column in row if f"{dotted(path)}.".startswith(f"{column}.")]
        return f"{place}, {max(columns, key=len, default=dotted(path))}"

    settings, wrong = check(Defaults, data, named)
    return settings, clashes + wrong + (_missing_tables(settings, place, row) if settings else [])


def _missing_tables(
    settings: Defaults, place: str, keys: Collection[str] = ("regions.mapping", "regions.merge")
) -> list[str]:
    regions = settings.regions
    named = {"regions.mapping": regions.mapping, "regions.merge": regions.merge}
    return [
        mistake(f"{place}, {key}", found=f'"{text}" (no such file)', expected="a TSV")
        for key, text in named.items()
        if key in keys and isinstance(text, str) and not Path(text).is_file()
    ]


def _unit_tables(config: Config) -> Iterator[tuple[str, str]]:
    """Key and path of every table of units that the inactivations name."""
    for name, experiment in config.inactivations.items():
        for number, part in enumerate(experiment.parts or [experiment]):
            if part.table is not None:
                yield f"inactivations.{name}" + (f".parts[{number}]" if experiment.parts else "") + ".table", part.table


def _missing_unit_tables(config: Config, file: str) -> list[str]:
    return [
        mistake(f"{file}, {key}", found=f'"{table}" (no such file)', expected="a TSV or CSV with the column unit_id")
        for key, table in _unit_tables(config)
        if not Path(table).is_file()
    ]


def _setting_names(section: type[Section], prefix: str = "") -> Iterator[str]:
    """Every key of a section, those of its sections with dots."""
    for name, field in section.model_fields.items():
        yield f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from _setting_names(field.annotation, f"{prefix}{name}.")
