"""Settings that define how a file becomes a recording: time windows, bins, inputs, regions, units."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from curbd.settings.section import Name, NotNegative, Positive, Section, Seed


class Windows(Section):
    """Which time windows of a recording are used, as trials or as blocks of continuous data."""

    table: str | None = None
    """Interval table whose rows are the trials: `trials` or another interval table of the file (`curbd inspect` lists
    them). Null: the trials that the file holds (plain HDF5); if it holds none, the whole recording, divided into
    blocks."""
    time_unit_s: Positive | None = None
    """Length in seconds of the unit in which the table holds its times: 0.001 for milliseconds. It applies to
    `start_time`, `stop_time`, `align` and all columns that end with `_time`. Null: the unit that the file states; if it
    states none, seconds."""
    select: dict[str, list[Any]] = {}
    """Column -> values. Only rows of the table that have one of these values are used, e.g. `{tags: [wake]}`."""
    align: str = "start_time"
    """Column of the table with the event that becomes t = 0 of a trial."""
    start_s: float | None = None
    """Start of every trial in seconds from the event in `align`. Null: the start of the interval in the table."""
    stop_s: float | None = None
    """End of every trial in seconds from the event in `align`. Null: the end of the interval in the table; trials may
    then differ in length."""
    conditions: list[str] = []
    """Trial columns that define the conditions: trials with equal values in all of these columns belong to the same
    condition."""
    continuous: bool = False
    """Divide every interval of the table into blocks, instead of taking the interval as one trial. For long intervals,
    such as sleep and wake."""
    block_s: Positive | None = None
    """Length of a block of continuous data in seconds. Null: 200 bins, or fewer if 200 bins would give fewer than 10
    blocks."""
    gap_s: NotNegative | None = None
    """Time left out between two blocks in seconds, so that smoothing does not carry activity from block to block. Null:
    4 times `smoothing_s`, at least 1 bin."""

    @model_validator(mode="after")
    def _start_before_stop(self) -> Windows:
        if self.start_s is not None and self.stop_s is not None and self.start_s >= self.stop_s:
            raise ValueError(f"stop_s: found {self.stop_s:g}, expected a time after start_s: {self.start_s:g}")
        return self


class Input(Section):
    """One known input of the network; set exactly one of `series`, `interval` and `column`."""

    name: Name
    """Name of the input; in the tables its source is `input:<name>`. A series of several columns becomes several inputs
    `<name>_<column>`, and a column of strings becomes one input `<name>_<level>` for each of its values."""
    series: str | None = None
    """Path of a time series in the file; the input is its mean in every bin."""
    interval: str | None = None
    """Name of an interval table; the input is 1 inside its intervals and 0 outside."""
    column: str | None = None
    """Trial column. A column of numbers gives an input that is constant over a trial; a column of strings gives one 0/1
    input for each of its values."""
    start: str | None = None
    """With `column`: trial column with the time at which the input begins; before this time, the input is 0. Null: the
    start of the trial."""
    stop: str | None = None
    """With `column`: trial column with the time at which the input ends; after this time, the input is 0. Null: the end
    of the trial."""
    lags_s: list[float] = Field(default=[0.0], min_length=1)
    """Delays in seconds, one input for each: `[0, 0.1, 0.2]` gives a movement that acts at once, and 0.1 s and 0.2 s
    later. A negative delay is an input that acts before it is measured. Inputs with a delay are called
    `<name>_lag_<delay>s`."""

    @model_validator(mode="after")
    def _one_origin(self) -> Input:
        if sum(origin is not None for origin in (self.series, self.interval, self.column)) != 1:
            raise ValueError("found none or several of series, interval, column; expected exactly one of them")
        if len(set(self.lags_s)) < len(self.lags_s):
            raise ValueError(f"lags_s: found {self.lags_s}, expected every delay only once")
        constant = self.column is not None and self.start is None and self.stop is None
        if constant and self.lags_s != [0.0]:
            raise ValueError("lags_s: found delays of an input that is constant over a trial; expected start or stop")
        return self


RegionRule = Literal["mapping", "unit_column", "electrodes", "electrode_group", "imaging_plane", "name_pattern"]


class Regions(Section):
    """Where the region label of every unit comes from, and how labels are merged."""

    order: list[RegionRule] = [
        "mapping",
        "unit_column",
        "electrodes",
        "electrode_group",
        "imaging_plane",
        "name_pattern",
    ]
    """Rules that look for the label of a unit, in the order in which they are tried. The first rule that finds a label
    decides; the name of this rule is stored as `region_source`."""
    mapping: str | None = None
    """Path of a TSV with the columns `unit_id` (or `electrode_id`) and `region`."""
    unit_columns: list[str] = [
        "location",
        "brain_area",
        "region",
        "structure",
        "structure_acronym",
        "brain_region",
        "anno_name",
    ]
    """Columns of the table of units (or of regions of interest) that may hold the label, in the order in which they are
    tried."""
    name_pattern: str | None = None
    """Regular expression with one group, which matches the label in the name of the electrode group, probe or imaging
    plane, e.g. `group\\d+_(\\w+)`. Null: labels are not taken from names."""
    pattern: str | None = None
    """Regular expression with one group, which matches the region in the label itself, e.g. `^(?:left |right )?(\\w+)`
    for `left CA1`. Labels that the pattern does not match are used as they are. Null: labels are used as they are; if a
    label is a JSON object, its entry `brain_region`, `area` or similar is used."""
    atlas: Literal["allen_ccf"] | None = None
    """Atlas whose acronyms, names or ids the labels are. `allen_ccf`: the Allen mouse atlas; labels are merged to their
    parent structures at `level`, whatever layer or hemisphere they name. Needs `pip install 'curbd-workflow[atlas]'`.
    """
    level: str = "beryl"
    """With `atlas`: `beryl` (about 300 regions without layers), `cosmos` (about 10 large divisions), or the acronym of
    a structure into which all its substructures are merged, such as `VISp` or `Isocortex`."""
    hemispheres: bool = False
    """With `atlas`: keep the hemispheres that the labels name apart, as `CA1 left` and `CA1 right`."""
    merge: dict[str, str] | str = {}
    """Label (as in the file, or after `pattern` and `atlas`) -> region, or the path of a TSV with the columns `label`
    and `region`."""
    unknown: Literal["drop", "keep", "stop"] = "drop"
    """What happens to units without a label. `drop`: they are left out, with the reason in units.csv. `keep`: they form
    the region `unknown`. `stop`: the run stops with an error."""


class Units(Section):
    """Which units are fitted; units.csv gives the reason for every unit that is left out."""

    min_rate_hz: NotNegative = 0.1
    """For spikes: units with a lower mean rate over the training trials are left out."""
    min_per_region: Annotated[int, Field(ge=1)] = 3
    """Regions with fewer units than this, after all other choices, are left out."""
    select: dict[str, list[Any]] = {}
    """Column -> values. Only units that have one of these values in the file are used, e.g. `{quality: [good]}`."""
    max_missing: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Largest share of the recorded bins in which a unit may have no value (NaN). Units with more missing bins are left
    out. A bin that is missing in one kept unit is lost for all units; units with missing bins are therefore kept in
    order of increasing number of missing bins, as long as at most a quarter of the recorded bins is lost. 0: a unit
    with any missing bin is left out."""


class CellTypes(Section):
    """Where the cell types of units come from. `units.csv` names the origin of every cell type."""

    column: str | None = None
    """Column of the table of units (or of regions of interest) with labels of cell types. Null: `cell_type`, `type` or
    `putative_cell_type`."""
    excitatory: list[str] = []
    """Labels of `column` that mean excitatory, in addition to the usual words (`pyramidal`, `RS`, ...)."""
    inhibitory: list[str] = []
    """Labels of `column` that mean inhibitory, in addition to the usual words (`interneuron`, `FS`, `PV`, ...)."""
    table: str | None = None
    """Path of a TSV with the columns `unit_id`, `cell_type` (`excitatory`, `inhibitory` or `unknown`) and, if wanted,
    `source` (such as waveform, opsin or line). The table replaces the cell types of the file for the units that it
    names."""
    inhibitory_regions: list[str] = []
    """Regions of which every unit is inhibitory, such as the striatum."""

    @model_validator(mode="after")
    def _one_meaning(self) -> CellTypes:
        if both := sorted(set(self.excitatory) & set(self.inhibitory)):
            raise ValueError(f'found "{both[0]}" under excitatory and inhibitory, expected one of the two')
        return self


class PerturbedTrials(Section):
    """Trials with a real perturbation (a laser, a drug), and `like`, the in-silico experiment that imitates the
    perturbation. These trials are not used in the fit; the prediction of the network for them is compared with the
    measurement."""

    column: str
    """Trial column that says which trials were perturbed."""
    value: str | float | bool
    """Value of `column` in the perturbed trials. YAML reads an unquoted `on` or `yes` as true; the value true therefore
    also matches these words."""
    like: Name
    """Name of the entry of `inactivations` that does to the network what was done to the brain, at the same time in the
    trial."""
    where: dict[str, list[Any]] = {}
    """Further trial columns -> values. Only trials that have one of these values in every column are perturbed trials,
    e.g. `{genotype: [TPH], anaesthesia: [false]}`."""
    group: str | None = None
    """Trial column with the animal or the session of each trial. Intervals of the comparison then come from resampled
    animals or sessions. Null: from resampled trials."""
    baseline_s: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    """Start and end, in seconds, of a time window before the perturbation whose mean is subtracted from every trial.
    Null: nothing is subtracted."""
    fit_all_but: list[str] = []
    """Regions on whose units the perturbation acts. If given, the estimators `one_step` and `sparse`, without hidden
    inputs and constraints, also learn the currents into all other regions from these trials, which are then not
    compared with a prediction. Empty: no network is fitted to these trials."""


class HDF5Layout(Section):
    """Names of datasets and order of axes in an HDF5 file; the defaults are the plain layout."""

    rates: str = "rates"
    """Dataset with the activity."""
    dims: list[Literal["trial", "time", "unit"]] | None = None
    """Axes of `rates` in their order. Null: (trial, time, unit) or (time, unit)."""
    time: str | None = "time"
    """Dataset with the time of every sample in seconds. Null if `sampling_rate_hz` is given."""
    sampling_rate_hz: Positive | None = None
    """Sampling rate in Hz, for files without sample times."""
    region: str = "region"
    """Dataset with the region label of every unit."""
    unit_id: str | None = "unit_id"
    """Dataset with the names of the units, used if it exists."""
    cell_type: str | None = "cell_type"
    """Dataset with the cell types of the units, used if it exists."""
    position: str | None = "position"
    """Dataset (unit, 3) with positions in micrometres, used if it exists."""
    inputs: str | None = "inputs"
    """Dataset (trial, time, input) or (time, input) with the inputs, used if it exists."""
    input_name: str | None = "input_name"
    """Dataset with the names of the inputs, used if it exists."""
    trial: str | None = "trial"
    """Group with one dataset for each trial column, used if it exists."""


class RecordingSettings(Section):
    """Settings by which an NWB or HDF5 file becomes binned, scaled rates with inputs and labels."""

    subject: str | None = None
    """Name of the animal, by which sessions are grouped. Null: the subject that the file states (NWB: `subject_id`;
    HDF5: the attribute `subject`); if it states none, the name of the recording."""
    session: str | None = None
    """Name of the session. Null: the session that the file states (NWB: `session_id`; HDF5: the attribute `session`);
    if it states none, the name of the recording."""
    about: dict[Annotated[str, Field(pattern=r"^[A-Za-z]\w*$")], str] = {}
    """Anything else that is known about the recording, for your own analyses: `{genotype: wild type}`, or columns such
    as `about.genotype` in recordings.tsv. The CSV tables of a run have it in columns such as `about_genotype`."""
    activity: list[str] = []
    """What to fit, as paths in an NWB file: `units`, or one or more series of regions of interest or other signals;
    several series, such as imaging planes, are joined. Empty: the units; if there are none, the ROI responses of the
    file (deconvolved activity before fluorescence, never neuropil)."""
    spike_time_unit_s: Positive | None = None
    """Length in seconds of the unit in which the file holds spike times: 0.001 for milliseconds, 1 / 30000 (as a
    number) for samples at 30 kHz. Null: the unit that the file states; if it states none, seconds."""
    bin_width_s: Positive | None = None
    """Bin width in seconds. Null: 0.05 s for spikes, and the sampling interval of the file for sampled activity."""
    smoothing_s: NotNegative | None = None
    """Standard deviation in seconds of the Gaussian that smooths the activity. Null: 0.1 s for spikes, 0 for sampled
    activity."""
    scaling: Literal["largest", "counts"] = "largest"
    """How the rates of a unit are scaled into (-1, 1) before the fit. `largest`: divided by 1.25 times the largest
    rate. `counts`, for spike counts that are not smoothed (estimator option `noise: counts`): 2 r / peak - 1, where the
    peak is estimated from mean and variance."""
    causal: bool = False
    """Smooth with past activity only, by half of the Gaussian."""
    windows: Windows = Windows()
    inputs: list[Input] = []
    regions: Regions = Regions()
    units: Units = Units()
    cell_types: CellTypes = CellTypes()
    hdf5: HDF5Layout = HDF5Layout()
    perturbed: list[PerturbedTrials] = []
    """Trials with a real perturbation, and the experiment with which they are compared, e.g. `[{column: laser, value:
    "on", like: silence}]`."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Fraction of the trials (or blocks) of every condition that is held out from the fit, for testing."""
    split_seed: Seed = 0
    """Seed for the random choice of held-out trials."""
