"""The settings of a run: one pydantic model a section, each key with its default and its meaning.

The JSON schema under ``workflow/schemas/`` and the key tables of ``config/README.md`` are generated from these
models. Nothing here reads a recording or imports an estimator, so that a dry run stays quick.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$"
"""Pattern of recording, model and inactivation names; the wildcards of the rules match the same text."""
RESERVED_NAMES = ("tables", "logs", "benchmarks")

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Name = Annotated[str, Field(pattern=NAME)]


class Section(BaseModel):
    """A section of the config: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


# --- how a file becomes a recording ------------------------------------------------------------------------------


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


# --- how a network is fitted -------------------------------------------------------------------------------------

Tau = Positive | Literal["estimate"]


class FitSettings(Section):
    """Settings that every estimator understands."""

    tau_s: Tau = "estimate"
    """Time constant of the units in seconds, or `estimate`: by the evidence, on training data."""
    substeps: Annotated[int, Field(ge=1)] = 1
    """Euler steps in each bin; none may be longer than the time constant."""


class Defaults(RecordingSettings, FitSettings):
    """Settings for all recordings and models; a column of recordings.tsv or a key of a model replaces one."""


class OneStep(Section):
    """Closed-form regression in current space with one penalty for each pair of a target region and a source; samples
    are weighted where the rates carry measurement noise."""

    folds: Annotated[int, Field(ge=2)] = 5
    """Folds of the blocked cross-validation, inside the training trials."""
    penalties: Literal["auto", "evidence", "cross_validation"] = "auto"
    """How the penalty of each pair of regions is chosen: by the evidence (the likelihood of the data with the weights
    integrated out), by the error of held-out folds, or (`auto`) by the evidence unless it has no optimum or held-out
    folds are more likely under the other choice. network.nc says which it was. The weights of inputs, the bias, and
    regressions with weighted samples always go by the evidence."""
    hidden_inputs: Literal["none", "auto"] | Annotated[int, Field(ge=1, le=3)] = "none"
    """Slow inputs from outside the recording, inferred for each region: none, as many as predict held-out data
    (`auto`, 3 at most), or this many for every region. They are sources `input:hidden_1` and so on."""


class Sparse(OneStep):
    """The same regression with a sparse prior: in each block a share of the weights, which it estimates, is zero."""

    rounds: Annotated[int, Field(ge=4)] = 15
    """Rounds of expectation propagation."""
    noise: Literal["auto", "inflated"] = "auto"
    """What is taken as noise. Residuals that last over many bins (a smoothed recording, a missing input) are fewer
    facts than bins, and count as larger noise (`inflated`). Data without any noise, as simulations have them, are
    recognised (`auto`; all others are `inflated`) and fitted to the changes of the current, of which those that stand
    out are left aside: an unseen drive that holds still, or jumps, is no obstacle. The scale of rates that were
    divided by their maximum is then estimated too."""


class Force(Section):
    """Recursive least squares as published (Perich et al. 2020), its defects mended."""

    passes: Annotated[int, Field(ge=1)] = 70
    """Training passes over the recording."""
    gain: NotNegative = 1.5
    """Standard deviation of the initial weights, times sqrt(units)."""
    p0: Positive = 1.0
    """Initial scale of the inverse correlation matrix."""
    noise: NotNegative = 0.01
    """Size of the frozen input noise."""
    noise_tau_s: Positive = 0.1
    """Time constant of that noise."""


class Shooting(Sparse):
    """A one-step fit, then refined until it also runs freely. Its currents are kept. The other options are those of the
    start."""

    start: Literal["one_step", "sparse"] = "one_step"
    """Estimator whose network is refined."""
    passes: Annotated[int, Field(ge=1)] = 20
    """Runs over whole trials, at most."""


class StateSpace(Section):
    """Regression on the states behind noisy rates, which are estimated together with both noises."""

    rounds: Annotated[int, Field(ge=1)] = 20
    """Rounds of expectation-maximisation."""
    noise: Literal["constant", "counts", "calcium"] = "constant"
    """Measurement noise: of constant variance, or as that of spike counts, in proportion to the rate. It is taken to be
    new in every bin: give the model `smoothing_s: 0`, and for counts `scaling: counts`. `calcium`: of constant variance
    on rates that a slow indicator filters."""
    indicator_s: Positive | None = None
    """With `noise: calcium`: decay time of the indicator."""

    @model_validator(mode="after")
    def _decay_of_the_indicator(self) -> StateSpace:
        if (self.noise == "calcium") != (self.indicator_s is not None):
            raise ValueError(
                f"indicator_s: found {self.indicator_s} with noise {self.noise}, expected a time with calcium only"
            )
        return self


class ReducedRank(Section):
    """Closed-form reduced-rank regression in the metric of the currents."""

    rank: Annotated[int, Field(ge=1)] | None = None
    """Rank of the connectivity. Null: the smallest within one standard error of the best cross-validated one."""
    max_rank: Annotated[int, Field(ge=1)] = 10
    """Largest rank that is tried."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Folds of the blocked cross-validation, inside the training trials."""


class Trajectory(Section):
    """Reduced-rank regression, then gradient descent through time: for condition averages, or networks of full rank
    that are to be followed by one of few latents."""

    rank: Annotated[int, Field(ge=1)] | None = None
    """Rank of the connectivity. Null: the effective one, the smallest whose free run explains 90 % of what recurrence
    explains of held-out trials."""
    max_rank: Annotated[int, Field(ge=1)] = 10
    """Largest rank that is tried."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Folds of the cross-validation, inside the training trials; one of them judges the rank."""
    steps: Annotated[int, Field(ge=1)] = 300
    """Gradient steps."""
    learning_rate: Positive = 0.03
    """Learning rate of Adam at the start; it falls to 0."""


class BlockRank(Section):
    """Reduced-rank regression with a rank for every pair of regions, each chosen by cross-validation; 0 is allowed."""

    max_rank: Annotated[int, Field(ge=1)] = 6
    """Largest rank that is tried for a block."""
    folds: Annotated[int, Field(ge=2)] = 10
    """Folds of the blocked cross-validation, inside the training trials."""


class LowRankShooting(ReducedRank):
    """Reduced-rank regression, then the same multi-step refinement, every step at that rank."""

    passes: Annotated[int, Field(ge=1)] = 20
    """Runs over whole trials, at most."""


ESTIMATORS: dict[str, dict[str, type[Section]]] = {
    "full_rank": {
        "one_step": OneStep,
        "sparse": Sparse,
        "force": Force,
        "shooting": Shooting,
        "state_space": StateSpace,
    },
    "low_rank": {
        "reduced_rank": ReducedRank,
        "block_rank": BlockRank,
        "shooting": LowRankShooting,
        "trajectory": Trajectory,
    },
}
"""family -> estimator -> its options."""
OWN_RECORDING = ("bin_width_s", "smoothing_s", "scaling")
"""Keys of a model that has a recording of its own where one of them is given."""
RECOMMENDED = {"full_rank": "one_step", "low_rank": "reduced_rank"}


class Model(Section):
    """One way to fit every recording."""

    family: Literal["full_rank", "low_rank"]
    """Any connectivity (package curbd) or a low-rank one (package lrfit)."""
    estimator: str | None = None
    """`one_step`, `sparse`, `force`, `shooting` or `state_space` for full_rank; `reduced_rank`, `block_rank`,
    `shooting` or `trajectory` for low_rank. Null: the recommended one of the family."""
    options: dict[str, Any] = {}
    """Options of the estimator."""
    seeds: Annotated[list[int], Field(min_length=1)] = [0, 1, 2]
    """One fit each. The first is fitted to the training trials as they are, each further one to a bootstrap resample
    of them (and from another start, where the estimator has a random one)."""
    bin_width_s: Positive | None = None
    """Replaces the bin width for this model."""
    smoothing_s: NotNegative | None = None
    """Replaces the smoothing for this model."""
    scaling: Literal["largest", "counts"] | None = None
    """Replaces the scaling for this model."""
    tau_s: Tau | None = None
    """Replaces the time constant for this model."""
    substeps: Annotated[int, Field(ge=1)] | None = None
    """Replaces the number of Euler steps for this model."""

    @field_validator("seeds")
    @classmethod
    def _once_each(cls, value: list[int]) -> list[int]:
        if repeated := sorted({seed for seed in value if value.count(seed) > 1}):
            raise ValueError(f"found {repeated[0]} twice, expected seeds that differ")
        return value

    @field_validator("estimator")
    @classmethod
    def _of_the_family(cls, value: str | None, others: ValidationInfo) -> str | None:
        family = others.data.get("family")
        if family and value and value not in ESTIMATORS[family]:
            raise ValueError(f"found {value!r}, expected one of {', '.join(ESTIMATORS[family])} for {family}")
        return value

    @field_validator("options")
    @classmethod
    def _of_the_estimator(cls, value: dict[str, Any], others: ValidationInfo) -> dict[str, Any]:
        if "estimator" in others.data and "family" in others.data:
            family, estimator = others.data["family"], others.data["estimator"]
            ESTIMATORS[family][estimator or RECOMMENDED[family]].model_validate(value)
        return value

    def estimator_name(self) -> str:
        """The estimator, the recommended one where none is named."""
        return self.estimator or RECOMMENDED[self.family]

    def estimator_options(self) -> Section:
        """The options with the estimator's defaults filled in."""
        return ESTIMATORS[self.family][self.estimator_name()].model_validate(self.options)


# --- experiments on the fitted network ---------------------------------------------------------------------------


Dose = Annotated[float, Field(gt=0, le=1)]
Doses = Annotated[list[Dose], Field(min_length=1)]


class Intervention(Section):
    """One thing that is done to a network."""

    kind: Literal["region", "units", "population", "pathway", "input", "latent"] = "region"
    """What is acted on: the units of a region, chosen units, a population of a low-rank network; or what is cut: a
    pathway while both ends stay alive, an input, a latent of a low-rank network. Models without latents or populations
    leave those out."""
    region: str | None = None
    """With `kind: region`: which region. Null: each in turn."""
    units: list[str] = []
    """With `kind: units`: their unit_ids. Empty: all units that the next three keys leave."""
    where: dict[str, list[Any]] = {}
    """With `kind: units`: only units whose column (`region`, `cell_type`, any column of units or of `table`) holds one
    of these values, e.g. `{cell_type: [inhibitory]}`."""
    between: dict[str, Annotated[list[float], Field(min_length=2, max_length=2)]] = {}
    """With `kind: units`: only units whose column lies between two numbers, e.g. `{tuning: [0.5, 1]}`."""
    table: str | None = None
    """With `kind: units`: a TSV or CSV with the column `unit_id` (and `recording`, where it is about several); its
    other columns can stand in `where` and `between`. Without these: the units that it lists."""
    population: str | None = None
    """With `kind: population`: which. Null: each in turn."""
    source: str | None = None
    """With `kind: pathway`: sending region. Null: each in turn."""
    target: str | None = None
    """With `kind: pathway`: receiving region. Null: each in turn."""
    input: str | None = None
    """With `kind: input`: which input. Null: each in turn."""
    latent: Annotated[int, Field(ge=1)] | None = None
    """With `kind: latent`: its number; its part m n' of the connectivity is taken out. Null: each in turn."""
    fraction: Dose | Doses | None = None
    """Act on a random part of the units only; a list is a series in which each group holds the smaller ones."""
    seed: int = 0
    """Seed of that choice."""
    action: Literal["silence", "clamp", "scale", "drive"] = "silence"
    """What is done to the units: rates held at the silent level (0, or -1 with `scaling: counts`), or at `value`; rates
    times `value`; `value` added to the current."""
    value: float | None = None
    """Rate in -1 to 1 (clamp), factor from 0 (scale), or current in units of x (drive)."""
    weights: Literal["all", "excitatory", "inhibitory"] = "all"
    """Cut only the positive or only the negative outgoing weights; the units themselves stay alive."""

    @model_validator(mode="after")
    def _keys_of_the_kind(self) -> Intervention:
        allowed = _KEYS_OF_KIND[self.kind]
        for key, field in Intervention.model_fields.items():
            if key != "kind" and key not in allowed and getattr(self, key) != field.default:
                raise ValueError(f"{key}: found with kind {self.kind}, expected {', '.join(allowed)} only")
        for column, (low, high) in self.between.items():
            if low > high:
                raise ValueError(f"between: found {low:g} to {high:g} for {column}, expected the smaller number first")
        return self

    @model_validator(mode="after")
    def _value_of_the_action(self) -> Intervention:
        if self.weights != "all" and self.action != "silence":
            raise ValueError(f"weights: found {self.weights} with action {self.action}, expected action silence")
        if self.action == "silence":
            if self.value is not None:
                raise ValueError(
                    f"value: found {self.value:g} with action silence, expected action clamp, scale or drive"
                )
            return self
        if self.value is None:
            raise ValueError(f"value: found nothing with action {self.action}, expected a number")
        if self.action == "clamp" and not -1 <= self.value <= 1:
            raise ValueError(f"value: found {self.value:g} with action clamp, expected a rate from -1 to 1")
        if self.action == "scale" and self.value < 0:
            raise ValueError(f"value: found {self.value:g} with action scale, expected a factor of at least 0")
        return self


_ON_UNITS = ("fraction", "seed", "action", "value", "weights")
_KEYS_OF_KIND: dict[str, tuple[str, ...]] = {
    "region": ("region", *_ON_UNITS),
    "units": ("units", "where", "between", "table", *_ON_UNITS),
    "population": ("population", *_ON_UNITS),
    "pathway": ("source", "target", "weights"),
    "input": ("input",),
    "latent": ("latent",),
}


class Inactivation(Intervention):
    """One experiment: what is done, how strongly, when, and in which trials."""

    parts: list[Intervention] = []
    """Several things done together, each with the keys above, which then stay empty here. Parts that leave their name
    null are combined in every way: two parts `{kind: region}` silence each pair of regions."""
    strength: Dose | Doses = 1.0
    """1 silences fully, 0.5 halves; for other actions, the share of the way to them. A list is a dose series."""
    start_s: float | None = None
    """Start of the window, where runs start from the recorded state. Null: the start of the trial."""
    stop_s: float | None = None
    """End of the window. Null: the end of the trial."""
    sweep_s: Positive | None = None
    """Cut the window into successive windows of this length, each an experiment of its own."""
    conditions: list[str] = []
    """Only in trials of these conditions. Empty: in all."""

    @model_validator(mode="after")
    def _parts_and_window(self) -> Inactivation:
        if self.parts:
            for key, field in Intervention.model_fields.items():
                if getattr(self, key) != field.default:
                    raise ValueError(f"{key}: found beside parts, expected in one of the parts")
        if self.start_s is not None and self.stop_s is not None and self.start_s >= self.stop_s:
            raise ValueError(f"stop_s: found {self.stop_s}, expected a time after start_s = {self.start_s}")
        return self


class Bench(Section):
    """How every experiment is run and judged."""

    noise_draws: Annotated[int, Field(ge=0)] = 0
    """0: runs without noise. Else the fitted process noise is drawn this often for every trial, the same for the intact
    and the perturbed run, and effects are averaged over the draws."""
    posterior_draws: Annotated[int, Field(ge=0)] = 20
    """Networks drawn from the posterior of the first fit, for the interval of the effects. Where the estimator has no
    posterior, the interval comes from the spread over seeds."""
    groups: Annotated[int, Field(ge=0)] = 39
    """Random groups of units behind a p-value, whose smallest value is 1 / (groups + 1)."""
    readout: list[str] = []
    """Inputs or trial columns that are read out of the rates of all units by a cross-validated linear regression; what
    the experiments do to the readout is an effect too, on the target `readout:<name>`."""
    seed: int = 0
    """Seed of the random groups, the drawn networks and the noise."""


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
    bench: Bench = Bench()
