"""Settings of the models: how networks are fitted."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator

from curbd.settings.constraints import Constraints
from curbd.settings.section import NotNegative, Positive, Section, Seed

MAX_HIDDEN_INPUTS = 3
"""Largest number of hidden inputs of a region."""

Tau = Positive | Literal["estimate"]
OwnTimeConstants = Literal["per_unit", "per_region"]
NonlinearityName = Literal["tanh", "relu", "softplus", "exponential"]


class FitSettings(Section):
    """Settings that every estimator understands."""

    tau_s: Tau = "estimate"
    """Time constant of the units in seconds, or `estimate`: the value with the greatest evidence (marginal likelihood)
    on the training trials. Population networks use 0.1 s for `estimate`."""
    substeps: Annotated[int, Field(ge=1)] = 1
    """Number of Euler steps per bin; a step must not be longer than the time constant."""


class OneStep(Section):
    """Closed-form regression of the current, with one ridge penalty for each pair of a target region and a source.
    Samples are weighted if the rates carry measurement noise."""

    folds: Annotated[int, Field(ge=2)] = 5
    """Number of folds of the blocked cross-validation within the training trials."""
    penalties: Literal["auto", "evidence", "cross_validation"] = "auto"
    """How the penalty of each pair of regions is chosen: `evidence`: by the marginal likelihood of the data, with the
    weights integrated out. `cross_validation`: by the error of held-out folds. `auto`: by the evidence, unless the
    evidence has no optimum or held-out folds are more likely under the penalties of cross-validation. network.nc says
    which of the two was used. The penalties of inputs and the bias, and those of regressions with weighted samples,
    always follow the evidence. With relu units, `auto` also tries the prior of `sparse`, and uses this prior if
    held-out rates are more likely with it; network.nc then says `sparse_prior`."""
    hidden_inputs: Literal["none", "auto"] | Annotated[int, Field(ge=1, le=MAX_HIDDEN_INPUTS)] = "none"
    """Slow inputs from outside the recording, inferred for each region: none, as many as improve the prediction of
    held-out data (`auto`, 3 at most), or a fixed number for every region. In the tables, the hidden inputs are the
    sources `input:hidden_1` and so on."""
    adaptation: bool | Literal["auto"] | Positive | Annotated[list[Positive], Field(min_length=1)] = False
    """Whether units adapt: a current opposes the rate that the unit had in the last seconds, the source
    `self-adaptation`. True: with the time constant, from 0.2 to 5 s, under which held-out data are most likely. A
    number or a list of numbers: with this time constant, in seconds, or the best of these. `auto`: as true, if held-out
    data are more likely with adaptation than without. Not with `hidden_inputs`, constraints, `shooting` and
    `dynamics`."""

    @model_validator(mode="after")
    def _adaptation_alone(self) -> OneStep:
        if self.adaptation is not False and self.hidden_inputs != "none":
            raise ValueError(
                f"adaptation: found {self.adaptation} with hidden_inputs: {self.hidden_inputs}, expected "
                "hidden_inputs: none, because both explain slow currents"
            )
        return self


SparseRounds = Annotated[int, Field(ge=4)]
SparseNoise = Literal["auto", "inflated"]


class Sparse(OneStep):
    """The regression of `one_step` with a sparse prior: in each block of weights (a target region and a source), a
    share of the weights is zero, and this share is estimated."""

    rounds: SparseRounds = 15
    """Number of rounds of expectation propagation."""
    noise: SparseNoise = "auto"
    """How the residuals are treated. `inflated`: residuals that last over many bins, as in a smoothed recording or with
    a missing input, carry less independent information than there are bins, and count as larger noise. `auto`: data
    without any noise, as simulations give, are detected and fitted differently; all other data are treated as
    `inflated`. In data without noise, the changes of the current are fitted, and outlying changes are left out, so that
    an unrecorded input that is constant or jumps does not bias the weights. The scale of rates that were divided by
    their maximum is then estimated as well."""


class Force(Section):
    """Recursive least squares (FORCE) as published in Perich et al. 2020, with its defects corrected."""

    passes: Annotated[int, Field(ge=1)] = 70
    """Number of training passes over the recording."""
    gain: NotNegative = 1.5
    """Standard deviation of the initial weights, times sqrt(units)."""
    p0: Positive = 1.0
    """Initial scale of the inverse correlation matrix."""
    noise: NotNegative = 0.01
    """Size of the noise that is added to the currents; the same noise is used in every pass."""
    noise_tau_s: Positive = 0.1
    """Time constant of the added noise, in seconds."""
    stop: Literal["passes", "held_out"] = "passes"
    """When the training ends. `passes`: after all passes. `held_out`: when a free run of the network on every fifth
    training trial, which is then not fitted, has not come closer to the recording for three passes. The network of the
    best pass is kept, and `passes` is the largest number of passes."""
    precision: Literal["double", "single"] = "double"
    """Precision of the numbers: 64 bits, or 32 bits, which take about half the time and memory."""


class Shooting(OneStep):
    """A network fitted by another estimator (`start`), then refined until the network also reproduces the recording
    when it is simulated freely. The currents are those of the initial fit; the refinement does not
    change them. All options except `start` and `passes` are options of the estimator that makes the initial fit."""

    start: Literal["one_step", "sparse"] = "one_step"
    """Estimator whose network is refined."""
    rounds: SparseRounds | None = None
    """With `start: sparse` only: `rounds` of `sparse`. Null: the default of `sparse`."""
    noise: SparseNoise | None = None
    """With `start: sparse` only: `noise` of `sparse`. Null: the default of `sparse`."""
    passes: Annotated[int, Field(ge=1)] = 20
    """Largest number of simulations of all trials."""

    @model_validator(mode="before")
    @classmethod
    def _with_defaults_of_the_start(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("start") != "sparse":
            return given
        defaults = {key: Sparse.model_fields[key].default for key in ("rounds", "noise")}
        return given | {key: default for key, default in defaults.items() if given.get(key) is None}

    @model_validator(mode="after")
    def _options_of_the_start(self) -> Shooting:
        if self.adaptation is not False:
            raise ValueError(
                f"adaptation: found {self.adaptation} with the estimator shooting, expected one_step or sparse"
            )
        for key in ("rounds", "noise"):
            if self.start != "sparse" and getattr(self, key) is not None:
                raise ValueError(
                    f"{key}: found {getattr(self, key)} with start: {self.start}, expected start: sparse, the only "
                    f"start that uses {key}"
                )
        return self

    def start_options(self) -> OneStep:
        """Return the options of the estimator whose network is refined."""
        section = {"one_step": OneStep, "sparse": Sparse}[self.start]
        return section.model_validate({key: getattr(self, key) for key in section.model_fields})


class StateSpace(Section):
    """Regression on the true states of the network, which noisy rates reveal incompletely. The states, the process
    noise and the measurement noise are estimated together with the weights."""

    rounds: Annotated[int, Field(ge=1)] = 20
    """Number of rounds of expectation-maximisation."""
    noise: Literal["constant", "counts", "calcium"] = "constant"
    """Model of the measurement noise. `constant`: the variance is constant. `counts`: the variance is proportional to
    the rate, as for spike counts. `calcium`: the variance is constant, and the rates are filtered by a slow indicator.
    The noise is assumed to be independent between bins: set `smoothing_s: 0` for this model, and for counts `scaling:
    counts`."""
    indicator_s: Positive | None = None
    """With `noise: calcium` only: decay time of the indicator, in seconds. Null: estimated from what units do not
    share."""

    @model_validator(mode="after")
    def _decay_of_the_indicator(self) -> StateSpace:
        if self.noise != "calcium" and self.indicator_s is not None:
            raise ValueError(
                f"indicator_s: found {self.indicator_s} with noise {self.noise}, expected null, or noise: calcium"
            )
        return self


class ReducedRank(Section):
    """Closed-form reduced-rank regression: of all networks of a given rank, the network that best predicts the
    currents."""

    rank: Annotated[int, Field(ge=1)] | None = None
    """Rank of the connectivity. Null: the smallest rank whose held-out error is within one standard error of the
    smallest error."""
    max_rank: Annotated[int, Field(ge=1)] = 10
    """Largest rank that is tried."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Number of folds of the blocked cross-validation within the training trials."""


class Trajectory(Section):
    """Reduced-rank regression, then gradient descent through time. For condition averages, and for full-rank networks
    whose activity is to be reproduced by a network with few latents."""

    rank: Annotated[int, Field(ge=1)] | None = None
    """Rank of the connectivity. Null: the smallest rank with which the freely simulated network reaches at least 90 %
    of the gain that recurrence gives on held-out trials."""
    max_rank: Annotated[int, Field(ge=1)] = 10
    """Largest rank that is tried."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Number of folds of the cross-validation within the training trials; the rank is chosen on one fold."""
    steps: Annotated[int, Field(ge=1)] = 300
    """Number of gradient steps."""
    learning_rate: Positive = 0.03
    """Initial learning rate of Adam; the rate decreases to 0 over the steps."""


class BlockRank(Section):
    """Reduced-rank regression with a rank for every pair of regions. Each rank is chosen by cross-validation and may be
    0."""

    max_rank: Annotated[int, Field(ge=1)] = 6
    """Largest rank that is tried for a block."""
    folds: Annotated[int, Field(ge=2)] = 10
    """Number of folds of the blocked cross-validation within the training trials."""


class LowRankShooting(ReducedRank):
    """Reduced-rank regression, then refined until the network also reproduces the recording when it is simulated
    freely; the rank does not change."""

    passes: Annotated[int, Field(ge=1)] = 20
    """Largest number of simulations of all trials."""


class PopulationNetwork(Section):
    """A network of whole populations: a few latents per region, which the recorded units read and which drive the
    latents of all regions. For spike counts or fluorescence without smoothing. Its statements are about populations,
    recorded and unrecorded units together."""

    dimensions: Annotated[int, Field(ge=1)] | None = None
    """Number of latents of every region. Null: for each region the number that best predicts held-out units in held-out
    trials."""
    max_dimensions: Annotated[int, Field(ge=1, le=10)] = 5
    """Largest number of latents that is tried for a region."""
    max_hidden_drives: Annotated[int, Field(ge=0, le=3)] = 1
    """Largest number of slow common drives from outside the recording that are tried; a drive is kept if held-out
    trials ask for it. In the tables, drives are the sources `input:hidden_1` and so on."""
    self_history: bool | Literal["auto"] = "auto"
    """Whether the log rate of a unit contains the own spikes of the unit in the last 30 ms (refractoriness, bursts):
    the source `self-history`. `auto`: in bins of 5 ms or less, if held-out trials are then more likely. True: in bins
    of any width. Fluorescence has no such history."""
    indicator_s: NotNegative | None = None
    """For fluorescence: decay time of the calcium indicator, in seconds; 0 for activity without an indicator, such as
    deconvolved activity. Null: spikes, or fluorescence whose decay time is estimated from what units do not share.
    Activity whose name in the file says that it is deconvolved has no indicator."""


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
        "population": PopulationNetwork,
    },
}
"""Family -> estimator -> section of its options."""

CONSTRAINED = ("one_step", "sparse")
"""Estimators that can hold to constraints on the weights."""

OWN_TIME_CONSTANTS = ("one_step", "sparse")
"""Estimators that can fit a time constant for every unit or region."""

ANY_NONLINEARITY = ("one_step", "block_rank")
"""Estimators that can fit networks with any nonlinearity."""

SILENT_UNITS = ("one_step", "sparse", "block_rank")
"""Estimators that can fit networks of relu units, whose states are unknown while they are silent."""

RECOMMENDED = {"full_rank": "one_step", "low_rank": "reduced_rank"}
"""Family -> estimator that is used if a model names none."""

POPULATION_DEFAULTS: dict[str, Any] = {"smoothing_s": 0.0, "seeds": [0]}
"""Keys of a model -> default if the estimator is `population`: unsmoothed counts, and one fit."""

OWN_RECORDING = ("bin_width_s", "smoothing_s", "scaling")
"""Keys of a model that change the recording: a model with one of these keys is fitted to a recording that is made for
this model."""


def _estimator_names() -> str:
    families = (
        f"{', '.join(f'`{name}`' for name in estimators)} for {family}" for family, estimators in ESTIMATORS.items()
    )
    return f"{'; '.join(families)}. Null: the recommended estimator of the family."


class Model(Section):
    """One way to fit every recording."""

    family: Literal["full_rank", "low_rank"]
    """`full_rank`: a network with any connectivity (package curbd). `low_rank`: a network with low-rank connectivity
    (package lrfit)."""
    estimator: Annotated[str | None, Field(description=_estimator_names())] = None
    options: dict[str, Any] = {}
    """Options of the estimator."""
    constraints: Constraints | None = None
    """What is known about the circuit (with the estimators `one_step` and `sparse`): signs by cell type, distance,
    density, anatomical pairs. Null: no constraints."""
    seeds: Annotated[list[Seed], Field(min_length=1)] = [0, 1, 2]
    """Random seeds, with one fit for each. The first fit uses the training trials as they are; each additional fit uses
    a bootstrap resample of the training trials (and another random start, if the estimator has one). The default of
    `estimator: population` is one fit."""
    resample_trials: bool = True
    """Whether every additional fit uses a bootstrap resample of the training trials. With false all fits use the same
    trials, so that they differ by their random start alone, if the estimator has one. Population networks ignore it."""
    bin_width_s: Positive | None = None
    """Replaces the bin width for this model."""
    smoothing_s: NotNegative | None = None
    """Replaces the smoothing for this model. The default of `estimator: population` is 0."""
    scaling: Literal["largest", "counts"] | None = None
    """Replaces the scaling for this model."""
    tau_s: Tau | OwnTimeConstants | None = None
    """Replaces the time constant for this model. `per_unit` and `per_region` (with the estimators `one_step` and
    `sparse`): every unit, or every region, has a time constant of its own, which is estimated. Time constants that the
    data hardly tell apart are drawn together. network.nc has them as `unit_tau_s`, fits.csv the gain in held-out
    likelihood over one time constant. Not with `substeps`, `hidden_inputs`, `adaptation` and relu."""
    substeps: Annotated[int, Field(ge=1)] | None = None
    """Replaces the number of Euler steps for this model."""
    nonlinearity: NonlinearityName | Literal["auto", "by_silence"] = "by_silence"
    """The function from the state of a unit to its rate (with the estimators `one_step` and `block_rank`; with
    `sparse`, tanh and relu). `relu`, `softplus` and `exponential` are for activity that is never negative, such as
    firing rates. `auto`: the function under which the rates of held-out training trials are most likely. `by_silence`:
    tanh, except for continuous rates without smoothing of which a fifth to seven tenths are exactly 0 (no spikes or
    counts): there relu, if held-out rates are more likely than with tanh. With other estimators, hidden inputs,
    adaptation, constraints, several Euler steps or own time constants, `by_silence` is tanh. Tables compare currents
    with the truth of a teacher only if the teacher has the same nonlinearity."""

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_populations(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("estimator") != "population":
            return given
        return given | {key: default for key, default in POPULATION_DEFAULTS.items() if given.get(key) is None}

    @field_validator("seeds")
    @classmethod
    def _once_each(cls, value: list[int]) -> list[int]:
        if repeated := sorted({seed for seed in value if value.count(seed) > 1}):
            raise ValueError(f"found {repeated[0]} twice, expected seeds that differ")
        return value

    @field_validator("estimator")
    @classmethod
    def _of_the_family(cls, value: str | None, info: ValidationInfo) -> str | None:
        family = info.data.get("family")
        if family and value and value not in ESTIMATORS[family]:
            raise ValueError(f"found {value!r}, expected one of {', '.join(ESTIMATORS[family])} for {family}")
        return value

    @field_validator("options")
    @classmethod
    def _of_the_estimator(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "estimator" in info.data and "family" in info.data:
            family, estimator = info.data["family"], info.data["estimator"]
            ESTIMATORS[family][estimator or RECOMMENDED[family]].model_validate(value)
        return value

    @model_validator(mode="after")
    def _constrained_estimator(self) -> Model:
        if self.constraints is None:
            return self
        name = self.estimator_name()
        if self.family != "full_rank" or name not in CONSTRAINED:
            raise ValueError(
                f"constraints: found estimator {name} ({self.family}), expected one of {', '.join(CONSTRAINED)} of "
                "the family full_rank"
            )
        if self.options.get("hidden_inputs", "none") != "none":
            raise ValueError("constraints: found hidden_inputs in the options, expected hidden_inputs: none")
        if self.options.get("adaptation", False) is not False:
            raise ValueError("constraints: found adaptation in the options, expected adaptation: false")
        return self

    @model_validator(mode="after")
    def _estimator_of_the_nonlinearity(self) -> Model:
        if self.nonlinearity in ("tanh", "by_silence"):
            return self
        name = self.estimator_name()
        able = SILENT_UNITS if self.nonlinearity == "relu" else ANY_NONLINEARITY
        if name not in able:
            raise ValueError(
                f"nonlinearity: found {self.nonlinearity} with the estimator {name} ({self.family}), expected tanh, or "
                f"one of the estimators {', '.join(able)}"
            )
        for option in ("hidden_inputs", "adaptation"):
            if self.options.get(option, "none") not in ("none", False):
                raise ValueError(f"nonlinearity: found {option} in the options, which need nonlinearity: tanh")
        if self.constraints is not None and self.nonlinearity in ("relu", "auto"):
            raise ValueError(
                "constraints: found nonlinearity relu, expected another, because states of silent units "
                "are not inferred under constraints"
            )
        return self

    @model_validator(mode="after")
    def _estimator_of_own_time_constants(self) -> Model:
        if not self.has_own_time_constants():
            return self
        name = self.estimator_name()
        if self.family != "full_rank" or name not in OWN_TIME_CONSTANTS:
            raise ValueError(
                f"tau_s: found {self.tau_s} with the estimator {name} ({self.family}), expected a number, estimate, or "
                f"the estimator {' or '.join(OWN_TIME_CONSTANTS)} of the family full_rank"
            )
        for option in ("hidden_inputs", "adaptation"):
            if self.options.get(option, "none") not in ("none", False):
                raise ValueError(
                    f"tau_s: found {self.tau_s} with {option} in the options, which needs one time constant"
                )
        if self.nonlinearity in ("relu", "auto"):
            raise ValueError(
                f"tau_s: found {self.tau_s} with nonlinearity: {self.nonlinearity}, expected another nonlinearity, "
                "because states of silent units are inferred with one time constant"
            )
        return self

    @property
    def level(self) -> Literal["unit", "population"]:
        """Return the level of the model's statements: recorded units, or whole populations."""
        return "population" if self.estimator_name() == "population" else "unit"

    def estimator_name(self) -> str:
        """Return the name of the estimator; if the model names none, the recommended estimator of the family."""
        return self.estimator or RECOMMENDED[self.family]

    def has_own_time_constants(self) -> bool:
        """Return whether every unit or region has a time constant of its own, which is estimated."""
        return self.tau_s in get_args(OwnTimeConstants)

    def reads_data_once(self) -> bool:
        """Return whether the model can be fitted to a large recording in chunks, each of which is read once."""
        plain = self.estimator_name() == "one_step" and self.is_plain_regression()
        return plain and self.nonlinearity in ("tanh", "by_silence")

    def is_plain_regression(self) -> bool:
        """Return whether the model is a regression of the current with one time constant, without further currents."""
        options, substeps = self.estimator_options(), self.substeps
        return (
            self.estimator_name() in SILENT_UNITS
            and getattr(options, "hidden_inputs", "none") == "none"
            and getattr(options, "adaptation", False) is False
            and self.constraints is None
            and not self.has_own_time_constants()
            and (FitSettings().substeps if substeps is None else substeps) == 1
        )

    def estimator_options(self) -> Section:
        """Return the options of the estimator, with defaults filled in."""
        return ESTIMATORS[self.family][self.estimator_name()].model_validate(self.options)
