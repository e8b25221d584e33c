"""The settings of a run: one pydantic model a section, each key with its default and its meaning.

The JSON schema under ``workflow/schemas/`` and the key tables of ``config/README.md`` are generated from these
models. Nothing here reads a recording or imports an estimator, so that a dry run stays quick.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from curbd.settings.experiments import ExperimentSettings, Inactivation
from curbd.settings.models import FitSettings, Model
from curbd.settings.recording import RecordingSettings
from curbd.settings.section import Name, Section


class Defaults(RecordingSettings, FitSettings):
    """Settings for all recordings and models; a column of recordings.tsv or a key of a model replaces one."""


class Config(Section):
    """Everything that a run needs to know."""

    recordings: str
    """TSV with the columns recording, path, format (nwb or hdf5); further columns replace keys of `defaults`, nested
    ones written with dots (`windows.table`). Relative paths start at the folder of this table."""
    results: str = "results"
    """Folder of everything that the run writes."""
    defaults: Defaults = Defaults()
    models: Annotated[dict[Name, Model], Field(min_length=1)] = {
        "full_rank": Model(family="full_rank"),
        "low_rank": Model(family="low_rank"),
    }
    """Name -> model; a sweep is a few more entries."""
    inactivations: dict[Name, Inactivation] = {"silence": Inactivation()}
    """Name -> experiment, run on every fitted network."""
    bench: ExperimentSettings = ExperimentSettings()
