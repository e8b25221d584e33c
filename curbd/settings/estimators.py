"""The options of every way to fit a network, and what each of these ways can do."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from curbd.settings.section import NotNegative, Positive, Section

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
