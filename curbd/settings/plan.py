"""The plan of a run: the config and recordings.tsv, checked together, and the settings of every step.

Every mistake that can be found without opening a recording is found here, all at once. The module is quick to import,
because the Snakefile imports it for every dry run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from curbd.errors import UserError, did_you_mean, mistake
from curbd.settings.config import Config, Defaults
from curbd.settings.experiments import Experiments
from curbd.settings.models import OWN_RECORDING, FitSettings, Model, OneStep, StateSpace
from curbd.settings.places import location, with_located_paths
from curbd.settings.recording import RecordingSettings
from curbd.settings.recordings_table import Recording, missing_tables, read_recordings
from curbd.settings.section import Section
from curbd.settings.validation import check, dotted, euler_step_mistakes


@dataclass(frozen=True)
class Plan:
    """The checked config of a run and its recordings.

    Attributes
    ----------
    config : the config.
    recordings : name -> row of recordings.tsv.
    """

    config: Config
    recordings: dict[str, Recording]

    def recording_settings(self, recording: str, model: str | None = None) -> RecordingSettings:
        """Return the settings of a recording file; a model may replace bin width, smoothing and scaling."""
        settings = self.recordings[recording].settings
        values = {key: getattr(settings, key) for key in RecordingSettings.model_fields}
        if model is not None:
            values |= _given(self.config.models[model], OWN_RECORDING)
        return RecordingSettings.model_construct(**values)

    def has_own_recording(self, model: str) -> bool:
        """Return True if a model overrides the recording's bin width, smoothing or scaling.

        Such a model needs its own recording.nc.
        """
        return bool(_given(self.config.models[model], OWN_RECORDING))

    def experiments(self, recording: str) -> Experiments:
        """Return the experiments that the config names for a recording, and how their effects are tested."""
        chosen = {
            name: experiment
            for name, experiment in self.config.inactivations.items()
            if experiment.recordings is None or recording in experiment.recordings
        }
        return Experiments.model_construct(inactivations=chosen, bench=self.config.bench)

    def shared_settings(self, recording: str) -> set[str]:
        """Return which of the keys ``regions.merge``, ``regions.mapping`` and ``perturbed`` another recording shares.

        A value that two recordings share may name labels, units or trials that only some of the recordings have.
        """
        own = self.recordings[recording].settings
        others = [row.settings for name, row in self.recordings.items() if name != recording]
        shared = set()
        for key in ("merge", "mapping"):
            if any(getattr(settings.regions, key) == getattr(own.regions, key) for settings in others):
                shared.add(f"regions.{key}")
        if any(settings.perturbed == own.perturbed for settings in others):
            shared.add("perturbed")
        return shared

    def unit_tables(self) -> list[str]:
        """Return the paths of the tables of units that the experiments name."""
        return sorted({table for _, table in _unit_tables(self.config)})

    def constraint_tables(self, model: str) -> list[str]:
        """Return the paths of the tables that the constraints of a model name."""
        constraints = self.config.models[model].constraints
        return [] if constraints is None else sorted(constraints.tables().values())

    def shared_recordings(self) -> list[str]:
        """Return the names of the recordings that share one network; none if the config asks for no shared network."""
        if self.config.shared is None:
            return []
        return list(self.recordings) if self.config.shared.recordings is None else self.config.shared.recordings

    def fit_model(self, recording: str, model: str) -> Model:
        """Return a model with every setting that its fit uses, defaults included."""
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

    def to_json(self) -> str:
        """Convert the plan to one line of JSON, which `from_json` reads."""
        recordings = {
            name: {
                "path": str(recording.path),
                "format": recording.format,
                "settings": recording.settings.model_dump(mode="json"),
            }
            for name, recording in self.recordings.items()
        }
        config = self.config.model_dump(mode="json")
        models = list(self.config.models)
        return json.dumps({"config": config, "recordings": recordings, "order_of_models": models}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Read a plan from the JSON that `to_json` writes.

        Raises
        ------
        ValueError : the string is not a plan.
        """
        data = json.loads(text)
        models = data["config"]["models"]
        data["config"]["models"] = {name: models[name] for name in data["order_of_models"]}
        recordings = {
            name: Recording(
                name=name,
                path=location(recording["path"]),
                format=recording["format"],
                settings=Defaults.model_validate(recording["settings"]),
            )
            for name, recording in data["recordings"].items()
        }
        return cls(config=Config.model_validate(data["config"]), recordings=recordings)


def load_plan(path: Path) -> Plan:
    """Read the file plan.json of a run.

    Parameters
    ----------
    path : plan.json, which the workflow writes into the folder of the results.

    Returns
    -------
    The plan.

    Raises
    ------
    UserError : the file cannot be read, or does not hold a plan.
    """
    expected, todo = "the plan of a run", "start the workflow: it writes the plan"
    try:
        return Plan.from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else f"a file that cannot be read ({error})"
        raise UserError.at(str(path), found=found, expected=expected, todo=todo) from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError.at(
            str(path), found=f"a file that is not a plan ({error})", expected=expected, todo=todo
        ) from None


def _given(model: Model, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: getattr(model, key) for key in keys if getattr(model, key) is not None}


def as_json(settings: Section | Mapping[str, Section]) -> str:
    """Convert settings to one line of JSON; equal settings give equal lines."""
    plain = (
        settings.model_dump(mode="json")
        if isinstance(settings, Section)
        else {name: section.model_dump(mode="json") for name, section in settings.items()}
    )
    return json.dumps(plain, sort_keys=True)


def read_plan(
    config: Mapping[str, Any] | Path | str,
    file: str = "",
    generated: Collection[str] = (),
    folders: Sequence[Path] = (),
) -> Plan:
    """Read and check a config and its table of recordings.

    Parameters
    ----------
    config : the config as plain data, or the path of its YAML file. Relative paths in the config are resolved against
        the folder of the config if the file exists there, and otherwise against the working directory. Relative paths
        in recordings.tsv are resolved against the folder of that table.
    file : name of the config in messages, if plain data are given.
    generated : paths of files that the workflow itself writes and that may not exist yet.
    folders : folders of the config, if plain data are given.

    Returns
    -------
    The checked config and its recordings.

    Raises
    ------
    UserError : the config or recordings.tsv has mistakes; the message has one line per mistake.
    """
    plan, mistakes = plan_and_mistakes(config, file, generated, folders)
    if mistakes or plan is None:
        raise UserError("\n".join(mistakes))
    return plan


def plan_and_mistakes(
    config: Mapping[str, Any] | Path | str,
    file: str = "",
    generated: Collection[str] = (),
    folders: Sequence[Path] = (),
) -> tuple[Plan | None, list[str]]:
    """Read a plan, and collect all mistakes that can be found without opening a recording.

    Parameters
    ----------
    config, file, generated, folders : as in `read_plan`.

    Returns
    -------
    The plan without the entries that have mistakes, so that the recording files can still be checked (None if there can
    be no plan); and every mistake, one line each.

    Raises
    ------
    UserError : the config file cannot be read.
    """
    if isinstance(config, (str, Path)):
        data, file, folders = read_yaml(Path(config)), str(config), [Path(config).parent]
    else:
        data, file = config, file or "config"
    if isinstance(data, Mapping):
        data = with_located_paths(data, folders)
    checked, wrong = check(Config, data, lambda path: ", ".join(filter(None, [file, dotted(path)])))
    if checked is None:
        checked, data = _sections_in_order(data)
        if checked is None:
            if isinstance(data, Mapping) and isinstance(data.get("recordings"), str):
                # The settings of the table can be checked once those of the config are in order.
                wrong += read_recordings(Path(data["recordings"]), file, {}, generated)[1]
            return None, wrong
    wrong += _unusable_results(checked, file)
    wrong += missing_tables(checked.defaults, f"{file}, defaults") + _missing_unit_tables(checked, file)
    wrong += _missing_constraint_tables(checked, file)
    recordings, more = read_recordings(Path(checked.recordings), file, data.get("defaults", {}), generated)
    plan = Plan(checked, recordings)
    wrong += more + _unknown_experiments(checked, recordings) + _long_euler_steps(plan, file)
    wrong += _contradictory_settings(plan, file)
    if not more:
        wrong += _unknown_recordings(checked, file, recordings) + _shared_mistakes(plan, file)
    return plan, wrong


_SECTIONS = (
    *("models", "inactivations", "bench", "contrasts", "changes", "shared", "dynamics", "degeneracy", "oscillators"),
    "gates",
)
"""Keys of the config that are checked one after another, so that a mistake in one hides no mistakes in the others."""


def _sections_in_order(data: Any) -> tuple[Config | None, Any]:
    """A config with mistakes reduced to the sections that have none, and its data; None if too little is left.

    Mistakes in `defaults` leave nothing: other settings would be checked against the wrong trials and units.
    """
    if not isinstance(data, Mapping):
        return None, data
    kept = {key: data[key] for key in ("recordings", "results", "defaults") if key in data} | {"inactivations": {}}
    checked = check(Config, kept, dotted)[0]
    for key in _SECTIONS:
        if checked is not None and key in data:
            larger = check(Config, kept | {key: data[key]}, dotted)[0]
            if larger is not None:
                checked, kept = larger, kept | {key: data[key]}
    return checked, data if checked is None else kept


def _unusable_results(config: Config, file: str) -> list[str]:
    """A folder of results that cannot be made or written."""
    folder = Path(config.results).absolute()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return []
    found = f'"{config.results}", where {nearest} is a file'
    if nearest.is_dir():
        found = f'"{config.results}", where {nearest} cannot be written by this user'
    todo = "name another folder under results"
    return [mistake(f"{file}, results", found=found, expected="a folder that can be written", todo=todo)]


def _long_euler_steps(plan: Plan, file: str) -> list[str]:
    """Models with Euler steps longer than the time constant, where the bin width is known from the settings."""
    wrong = []
    for recording in plan.recordings:
        for name in plan.config.models:
            dt_s, model = plan.recording_settings(recording, name).bin_width_s, plan.fit_model(recording, name)
            if dt_s is not None:
                wrong += euler_step_mistakes(f"{file}, models.{name}", dt_s, model.tau_s, model.substeps)
    return list(dict.fromkeys(wrong))


def _contradictory_settings(plan: Plan, file: str) -> list[str]:
    """Settings of a recording and a model that exclude each other, whatever the file of the recording holds."""
    wrong = _adapting_models_with_dynamics(plan.config, file) + _oscillators_of_spikes(plan, file)
    for recording in plan.recordings:
        for name, model in plan.config.models.items():
            settings, options = plan.recording_settings(recording, name), model.estimator_options()
            substeps = plan.fit_model(recording, name).substeps or 1
            if model.nonlinearity in ("relu", "auto") and substeps > 1:
                wrong.append(
                    mistake(
                        f"{file}, models.{name}",
                        found=f"nonlinearity: {model.nonlinearity} with substeps: {substeps}",
                        expected="substeps: 1, because states of silent units are inferred bin by bin",
                    )
                )
            if model.has_own_time_constants() and substeps > 1:
                wrong.append(
                    mistake(
                        f"{file}, models.{name}",
                        found=f"tau_s: {model.tau_s} with substeps: {substeps}",
                        expected="substeps: 1 for units that have time constants of their own",
                    )
                )
            if isinstance(options, StateSpace) and options.noise == "counts":
                smoothing = settings.smoothing_s
                if settings.scaling != "counts" or (smoothing is not None and smoothing > 0):
                    found = f"noise: counts with scaling: {settings.scaling}"
                    found += "" if smoothing is None else f" and smoothing_s: {smoothing:g}"
                    wrong.append(
                        mistake(
                            f"{file}, models.{name}",
                            found=found,
                            expected="scaling: counts, smoothing_s: 0",
                            todo="set both keys in the section of the model, next to `estimator`",
                        )
                    )
            windows, width_s = settings.windows, settings.bin_width_s
            if windows.start_s is None or windows.stop_s is None or width_s is None or windows.continuous:
                continue
            length_s = windows.stop_s - windows.start_s
            if width_s > length_s * (1 + 1e-6):
                wrong.append(
                    mistake(
                        f"{file}, recording {recording}, bin_width_s",
                        found=f"{width_s:g} s",
                        expected=f"bins that fit into the trials of {length_s:g} s (windows.start_s to windows.stop_s)",
                    )
                )
    return list(dict.fromkeys(wrong))


def _adapting_models_with_dynamics(config: Config, file: str) -> list[str]:
    """Models of adapting units in a run that asks for dynamics, one mistake for each."""
    options = {name: model.estimator_options() for name, model in config.models.items()}
    return [
        mistake(
            f"{file}, models.{name}",
            found=f"adaptation with dynamics: {config.dynamics}",
            expected="dynamics: none, because fixed points and cycles of adapting units are not computed",
            todo="remove one of the two keys",
        )
        for name, of_model in options.items()
        if isinstance(of_model, OneStep) and of_model.adaptation is not False and config.dynamics != "none"
    ]


def _oscillators_of_spikes(plan: Plan, file: str) -> list[str]:
    """Recordings that are no fields in a run that asks for oscillators, one mistake for each."""
    return [
        mistake(
            f"{file}, oscillators",
            found=f"true with recording {name} in the format {recording.format}",
            expected="recordings in the format hdf5, whose rates are fields sampled at regular times",
            todo="write the fields to an HDF5 file, or remove the key",
        )
        for name, recording in plan.recordings.items()
        if plan.config.oscillators and recording.format != "hdf5"
    ]


def _unknown_recordings(config: Config, file: str, recordings: Mapping[str, Recording]) -> list[str]:
    """Names in `recordings` of an experiment that are not in recordings.tsv, and experiments that are left out of a
    recording whose perturbed trials are like them; one mistake for each."""
    wrong = [
        mistake(
            f"{file}, inactivations.{name}.recordings",
            found=f'"{recording}"',
            expected=f"names of recordings: {', '.join(recordings) or 'there is none'}",
            todo=did_you_mean(recording, recordings),
        )
        for name, experiment in config.inactivations.items()
        for recording in experiment.recordings or []
        if recording not in recordings
    ]
    for recording, row in recordings.items():
        for like in sorted({trials.like for trials in row.settings.perturbed} & set(config.inactivations)):
            chosen = config.inactivations[like].recordings
            if chosen is not None and recording not in chosen:
                wrong.append(
                    mistake(
                        f"{file}, inactivations.{like}.recordings",
                        found=f"{', '.join(chosen)}",
                        expected=f"also {recording}, whose perturbed trials are compared with this experiment",
                    )
                )
    return wrong


def _shared_mistakes(plan: Plan, file: str) -> list[str]:
    """Recordings of the shared network that do not exist, fewer than two, and a table of synapses that is not there."""
    shared = plan.config.shared
    if shared is None:
        return []
    wrong = [
        mistake(
            f"{file}, shared.recordings",
            found=f'"{name}"',
            expected=f"names of recordings: {', '.join(plan.recordings)}",
            todo=did_you_mean(name, plan.recordings),
        )
        for name in shared.recordings or []
        if name not in plan.recordings
    ]
    if len(plan.shared_recordings()) < 2:
        wrong.append(mistake(f"{file}, shared", found="fewer than two recordings", expected="at least two animals"))
    if shared.synapses is not None and not Path(shared.synapses).is_file():
        found = f'"{shared.synapses}" (no such file)'
        wrong.append(mistake(f"{file}, shared.synapses", found=found, expected="a TSV"))
    return wrong


def _unknown_experiments(config: Config, recordings: Mapping[str, Recording]) -> list[str]:
    """Names in `perturbed` that are not entries of `inactivations`, one mistake for each."""
    names = {trials.like for recording in recordings.values() for trials in recording.settings.perturbed}
    return [
        mistake(
            "perturbed, like",
            found=f'"{name}"',
            expected=f"the name of an entry of inactivations: {', '.join(config.inactivations) or 'there is none'}",
            todo=did_you_mean(name, config.inactivations),
        )
        for name in sorted(names - set(config.inactivations))
    ]


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key that stands twice in a section is a mistake: the first one would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Construct a section, and raise an error for a key that stands twice."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        for key, _ in node.value:
            if keys.count(key.value) > 1 and isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, f"found the key {key.value!r} twice in the same section", key.start_mark
                )
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """Read a config file as plain data.

    Parameters
    ----------
    path : path of the config.

    Returns
    -------
    The content of the file.

    Raises
    ------
    UserError : there is no such file, the file cannot be read or is not YAML, or a section has a key twice.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except FileNotFoundError:
        raise UserError.at(str(path), found="no such file", expected="a config in YAML") from None
    except OSError as error:
        raise UserError.at(
            str(path), found=f"a file that cannot be read ({error})", expected="a config in YAML"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError.at(
            str(path), found=f"a file that is not valid YAML ({error})", expected="a config in YAML"
        ) from None


def _unit_tables(config: Config) -> Iterator[tuple[str, str]]:
    """Key and path of every table of units that the experiments name."""
    for name, experiment in config.inactivations.items():
        for index, intervention in enumerate(experiment.parts or [experiment]):
            if intervention.table is not None:
                entry = f".parts[{index}]" if experiment.parts else ""
                yield f"inactivations.{name}{entry}.table", intervention.table


def _missing_unit_tables(config: Config, file: str) -> list[str]:
    return [
        mistake(f"{file}, {key}", found=f'"{table}" (no such file)', expected="a TSV or CSV with the column unit_id")
        for key, table in _unit_tables(config)
        if not Path(table).is_file()
    ]


def _missing_constraint_tables(config: Config, file: str) -> list[str]:
    return [
        mistake(f"{file}, models.{name}.constraints.{key}", found=f'"{table}" (no such file)', expected="a TSV")
        for name, model in config.models.items()
        if model.constraints is not None
        for key, table in model.constraints.tables().items()
        if not Path(table).is_file()
    ]
