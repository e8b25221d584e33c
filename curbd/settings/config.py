"""The config of a run: one pydantic class per section, with the default and the meaning of every key.

The JSON schema under ``workflow/schemas/`` and the key tables of ``config/README.md`` are generated from the classes of
this package. The package reads no recording and imports no estimator, so that a dry run takes seconds.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from curbd.settings.contrasts import Change, Contrast
from curbd.settings.estimators import FitSettings
from curbd.settings.experiments import ExperimentSettings, Inactivation
from curbd.settings.models import Model
from curbd.settings.recording import RecordingSettings
from curbd.settings.report import ReportSettings
from curbd.settings.section import Name, Positive, Section
from curbd.settings.shared import Shared


class Hardware(Section):
    """Where the computations run."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device of the computations with a fitted network, and of most fits: `cpu`, `cuda` (a GPU), or `auto` for a GPU if
    there is one. Results on both are equal but for rounding."""


class Defaults(RecordingSettings, FitSettings, Hardware):
    """Settings for all recordings and models. A column of recordings.tsv or a key of a model replaces a setting."""


class Config(Section):
    """All settings of a run; only `recordings` must be given."""

    recordings: str
    """Path of the table of recordings: a TSV with the columns `recording`, `path` and `format` (`nwb` or `hdf5`).
    Additional columns replace keys of `defaults` for one recording; nested keys are written with dots
    (`windows.table`). Relative paths in the table are resolved relative to the folder of the table."""
    results: str = "results"
    """Folder for everything that the run writes."""
    defaults: Defaults = Defaults()
    models: Annotated[dict[Name, Model], Field(min_length=1)] = {
        "full_rank": Model(family="full_rank"),
        "low_rank": Model(family="low_rank"),
    }
    """Name -> model. Every model is fitted to every recording; for a sweep over settings, write several entries. If
    this key is not given and every recording holds spikes or fluorescence, the models are `full_rank`, with
    `smoothing_s: 0`, and `population`, a population network."""
    inactivations: dict[Name, Inactivation] = {"silence": Inactivation()}
    """Name -> in-silico experiment. Every experiment is run on every fitted network. `{}`: no experiments."""
    bench: ExperimentSettings = ExperimentSettings()
    stored_currents: Literal["first", "all"] = "first"
    """Fits whose currents are written to currents.nc, unit by unit: `first`: the fit of the first seed of a model.
    `all`: the fits of all seeds. The averages over regions and trials in currents.parquet are those of all seeds."""
    further_nulls: bool = True
    """Whether every pathway is compared with the additional nulls of nulls.csv, which do not enter the verdict. They
    take about as long as the fit. With false, nulls.csv has no rows."""
    verdict_windows_s: Positive | list[tuple[float, float]] = []
    """Time windows in which every pathway gets one more verdict (pathway_windows.csv): starts and ends in seconds from
    t = 0 of the trial, such as `[[0, 0.5], [0.5, 1.5]]`, or the length of successive windows over the whole trial, such
    as `0.5`. Every model is fitted again to every window. Empty: verdicts on whole trials only."""
    contrasts: dict[Name, Contrast] = {}
    """Name -> comparison of the currents between conditions, at its shortest `{reward: {column: rewarded}}`. Every
    contrast is computed for every fitted network; recordings that lack the column or a level are left out, with a
    remark."""
    changes: dict[Name, Change] = {}
    """Name -> test of which pathways changed their weights between conditions or days, at its shortest
    `{learning: {column: day}}`. Every change is tested with every model of full rank; recordings that lack the column
    or a level are left out, with a remark."""
    shared: Shared | None = None
    """One network for several animals, at its shortest `shared: {}`: weights between identified units that all
    recordings share, and the deviations of every animal (shared_weights.parquet, shared_pathways.csv). Null: none."""
    report: ReportSettings = ReportSettings()
    """How the figures of the report show the regions."""

    dynamics: Literal["none", "autonomous", "all_inputs"] = "none"
    """Whether the dynamics of every fit are described: attractors, Lyapunov exponents, transitions that inputs cause,
    phase locking, and slow directions of regions. `autonomous`: without input. `all_inputs`: also at the mean inputs of
    the conditions and at every single input. `none`: not at all, except for the mechanism of low-rank networks.
    Networks of full rank with more than 200 units take minutes."""

    degeneracy: bool = False
    """Whether the fits of all models of units are compared in pairs (degeneracy.csv): how many different networks
    explain the same recording. Models with their own bins, smoothing or scaling, and population networks, are left out.
    For the part of the random start alone, add a model with `resample_trials: false`."""

    oscillators: bool = False
    """Whether the channels of recordings of fields (LFP, ECoG: HDF5 files with sampled rates) are also described as
    coupled oscillators, with frequency, damping and the forces of regions (oscillators.csv, oscillator_forces.csv).
    There is no verdict on these forces, and in-silico experiments do not use them."""

    gates: bool = False
    """Whether the units of every recording are also described as gated units, whose gates slow their states down
    (gates.csv, gate_currents.csv): are held-out trials more likely with gates that move, and which regions drive the
    gates? The time constant is `tau_s` of `defaults`; with `estimate`, the one that best predicts held-out training
    trials. Pathways and in-silico experiments do not use the gates."""

    @field_validator("verdict_windows_s")
    @classmethod
    def _starts_before_ends(cls, value: float | list[tuple[float, float]]) -> float | list[tuple[float, float]]:
        for start_s, stop_s in value if isinstance(value, list) else []:
            if start_s >= stop_s:
                raise ValueError(f"found a window from {start_s:g} to {stop_s:g} s, expected a start before the end")
        return value

    @field_validator("results")
    @classmethod
    def _path_without_wildcards(cls, value: str) -> str:
        if not value or set(value) & set("{}<>\n"):
            expected = "the path of a folder without the characters { } < >, which Snakemake takes for wildcards"
            raise ValueError(f'found "{value}", expected {expected}')
        return value
