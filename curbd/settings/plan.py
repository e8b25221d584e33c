"""The plan of a run: the config and its recordings, and the settings of every step.

The module is quick to import, because the Snakefile imports it for every dry run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curbd.errors import UserError
from curbd.settings.config import Config, Defaults
from curbd.settings.estimators import FitSettings
from curbd.settings.experiments import Experiments
from curbd.settings.models import OWN_RECORDING, Model
from curbd.settings.places import location
from curbd.settings.recording import RecordingSettings
from curbd.settings.recordings_table import RecordingRow
from curbd.settings.section import Section


@dataclass(frozen=True)
class Plan:
    """The checked config of a run and its recordings.

    Attributes
    ----------
    config : the config.
    recordings : name -> row of recordings.tsv.
    """

    config: Config
    recordings: dict[str, RecordingRow]

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
        return sorted({table for _, table in unit_tables(self.config)})

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
            name: RecordingRow(
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


def unit_tables(config: Config) -> Iterator[tuple[str, str]]:
    """Yield the key and the path of every table of units that the experiments of a config name."""
    for name, experiment in config.inactivations.items():
        for index, intervention in enumerate(experiment.parts or [experiment]):
            if intervention.table is not None:
                entry = f".parts[{index}]" if experiment.parts else ""
                yield f"inactivations.{name}{entry}.table", intervention.table
