"""The table of recordings, recordings.tsv: one file a row, and the settings that hold for it alone."""

from __future__ import annotations

import copy
import csv
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import yaml

from curbd.errors import did_you_mean, mistake
from curbd.settings.config import Defaults
from curbd.settings.section import NAME, RESERVED_NAMES, Section
from curbd.settings.validation import annotation_at, check, dotted, takes_text

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


def read_recordings(
    table: Path, config_file: str, defaults: Mapping[str, Any], made: Collection[str]
) -> tuple[dict[str, Recording], list[str]]:
    """The rows of recordings.tsv by their names, and every mistake in them.

    Parameters
    ----------
    table : the file; relative paths in it start at its folder.
    config_file : the config that names it, for messages.
    defaults : settings of that config, over which those of a row are laid.
    made : files that the workflow itself writes, which may be missing now.
    """
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
        row = dict(zip_longest(header, cells, fillvalue=""))
        name = row["recording"]
        wrong += _row_mistakes(place, row, table.parent, made)
        if name in first_line:
            found = f'"{name}", as in line {first_line[name]}'
            wrong.append(mistake(f"{place}, recording", found=found, expected="a name of its own"))
        first_line.setdefault(name, number)
        settings, more = _row_settings(place, row, table.parent, defaults)
        wrong += more
        if settings is not None:
            path = _plain(table.parent / row["path"], made)
            recordings[name] = Recording(name, path, row["format"], settings)
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
    name, path, kind = row["recording"], row["path"], row["format"]
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
    return settings, clashes + wrong + (missing_tables(settings, place, row) if settings else [])


def missing_tables(
    settings: Defaults, place: str, keys: Collection[str] = ("regions.mapping", "regions.merge")
) -> list[str]:
    """The mistakes of tables of region labels that are not there, of those that these keys name."""
    regions = settings.regions
    named = {"regions.mapping": regions.mapping, "regions.merge": regions.merge}
    return [
        mistake(f"{place}, {key}", found=f'"{text}" (no such file)', expected="a TSV")
        for key, text in named.items()
        if key in keys and isinstance(text, str) and not Path(text).is_file()
    ]


def _setting_names(section: type[Section], prefix: str = "") -> Iterator[str]:
    """Every key of a section, those of its sections with dots."""
    for name, field in section.model_fields.items():
        yield f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from _setting_names(field.annotation, f"{prefix}{name}.")
