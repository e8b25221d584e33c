"""Settings that turn a file into a recording."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from curbd.settings.section import Name, NotNegative, Positive, Section


class Windows(Section):
    """Which stretches of a recording are used."""

    table: str | None = None
    """Interval table that gives the trials (`trials` or any other in the file; `curbd inspect` lists them). Null: the
    trials that the file holds (plain HDF5), else the whole recording, cut into blocks."""
    select: dict[str, list[Any]] = {}
    """Keep only rows of the table whose column holds one of these values, e.g. `{tags: [wake]}`."""
    align: str = "start_time"
    """Time column of the table that becomes t = 0."""
    start_s: float | None = None
    """Start of the window, in seconds from `align`. Null: the start of the interval itself."""
    stop_s: float | None = None
    """End of the window, in seconds from `align`. Null: the end of the interval itself (ragged trials)."""
    conditions: list[str] = []
    """Trial columns whose combination is the condition."""
    continuous: bool = False
    """Cut each interval of the table into blocks instead of taking it as a trial (epochs such as sleep and wake)."""
    block_s: Positive | None = None
    """Length of a block of continuous data. Null: 200 bins, or less where that would give fewer than 10 blocks."""
    gap_s: NotNegative | None = None
    """Data left out between two blocks. Null: 4 smoothing widths, 1 bin at least."""


class Input(Section):
    """One known input: a time series, an interval indicator or a trial column; give exactly one of the three."""

    name: Name
    """Name of the source in the tables: `input:<name>`; series with several columns and text columns add `_<column>`
    or `_<level>`."""
    series: str | None = None
    """Path of a time series in the file, averaged in each bin."""
    interval: str | None = None
    """Interval table; the input is 1 inside its intervals and 0 outside."""
    column: str | None = None
    """Trial column; a number is held over the trial, a text gives one 0/1 input for each of its levels."""
    start: str | None = None
    """With `column`: time column from which the value is on. Null: from the start of the window."""
    stop: str | None = None
    """With `column`: time column until which the value is on. Null: to the end of the window."""

    @model_validator(mode="after")
    def _one_origin(self) -> Input:
        if sum(origin is not None for origin in (self.series, self.interval, self.column)) != 1:
            raise ValueError("give exactly one of series, interval, column")
        return self


RegionRule = Literal["mapping", "unit_column", "electrodes", "electrode_group", "imaging_plane", "name_pattern"]


class Regions(Section):
    """Where region labels come from and what becomes of them."""

    order: list[RegionRule] = [
        "mapping",
        "unit_column",
        "electrodes",
        "electrode_group",
        "imaging_plane",
        "name_pattern",
    ]
    """Rules in the order in which they are tried, unit by unit; the first that gives a label wins and is kept as
    `region_source`."""
    mapping: str | None = None
    """TSV with the columns `unit_id` (or `electrode_id`) and `region`."""
    unit_columns: list[str] = [
        "location",
        "brain_area",
        "region",
        "structure",
        "structure_acronym",
        "brain_region",
        "anno_name",
    ]
    """Columns of the units (or ROI) table that may hold the label, tried in this order."""
    name_pattern: str | None = None
    """Regular expression with one group that finds the label in the name of the electrode group, probe or imaging
    plane, e.g. `group\\d+_(\\w+)`. Null: names are never read as labels."""
    merge: dict[str, str] | str = {}
    """Old label -> new label, or a TSV with the columns `label` and `region`."""
    unknown: Literal["drop", "keep", "stop"] = "drop"
    """Units without a label: left out (with the reason in units.csv), kept as region `unknown`, or an error."""


class Units(Section):
    """Which units are kept."""

    min_rate_hz: NotNegative = 0.1
    """Lowest mean rate over the training trials, for spikes."""
    min_per_region: Annotated[int, Field(ge=1)] = 3
    """Regions with fewer kept units are left out."""
    select: dict[str, list[Any]] = {}
    """Keep only units whose column in the file holds one of these values, e.g. `{quality: [good]}`."""


class PerturbedTrials(Section):
    """Trials in which something was really perturbed: they stay out of the fit, and what the network predicts of them
    is compared with what was measured."""

    column: str
    """Trial column that tells them from the others."""
    value: str | float | bool
    """What it holds in them. (YAML reads an unquoted `on` or `yes` as true: true finds those texts too.)"""
    like: Name
    """Entry of `inactivations` that does to the network what was done to the brain, at the same time."""


class HDF5Layout(Section):
    """Names and axis orders inside an HDF5 file; the defaults are the plain layout."""

    rates: str = "rates"
    """Dataset of the activity."""
    dims: list[Literal["trial", "time", "unit"]] | None = None
    """Its axes in order. Null: (trial, time, unit) or (time, unit)."""
    time: str | None = "time"
    """Dataset of the times in seconds; null together with `sampling_rate_hz`."""
    sampling_rate_hz: Positive | None = None
    """Sampling rate, for files that hold no times."""
    region: str = "region"
    """Dataset of the region label of each unit."""
    unit_id: str | None = "unit_id"
    """Dataset of unit names, used where it exists."""
    cell_type: str | None = "cell_type"
    """Dataset of cell types, used where it exists."""
    position: str | None = "position"
    """Dataset (unit, 3) in micrometres, used where it exists."""
    inputs: str | None = "inputs"
    """Dataset (trial, time, input) or (time, input), used where it exists."""
    input_name: str | None = "input_name"
    """Dataset of input names."""
    trial: str | None = "trial"
    """Group of trial columns, used where it exists."""


class RecordingSettings(Section):
    """How a file becomes a recording."""

    activity: list[str] = []
    """Paths in an NWB file of what to fit: `units` or ROI and time series (several planes are joined). Empty: the
    units, else the only series (deconvolved before fluorescence, never neuropil)."""
    bin_width_s: Positive | None = None
    """Bin width. Null: 0.05 s for spikes, the file's own step for anything already sampled."""
    smoothing_s: NotNegative | None = None
    """Standard deviation of the Gaussian that smooths the activity. Null: 0.1 s for spikes, 0 for sampled activity."""
    scaling: Literal["largest", "counts"] = "largest"
    """What becomes of the rates before the fit. `largest`: divided by 1.25 times the largest one. `counts`, for spike
    counts that are not smoothed (`noise: counts`): 2 r / peak - 1, with the peak taken from mean and variance."""
    causal: bool = False
    """Smooth with the past half of the Gaussian only."""
    windows: Windows = Windows()
    inputs: list[Input] = []
    regions: Regions = Regions()
    units: Units = Units()
    hdf5: HDF5Layout = HDF5Layout()
    perturbed: list[PerturbedTrials] = []
    """Trials with a real perturbation, e.g. `[{column: laser, value: "on", like: silence}]`."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of trials (or blocks) held out, within each condition."""
    split_seed: int = 0
    """Seed of the choice of held-out trials."""
