"""Settings of the models: how networks are fitted."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from curbd.settings.section import NotNegative, Positive, Section

Tau = Positive | Literal["estimate"]


class FitSettings(Section):
    """Settings that every estimator understands."""

    tau_s: Tau = "estimate"
    """Time constant of the units in seconds, or `estimate`: by the evidence, on training data."""
    substeps: Annotated[int, Field(ge=1)] = 1
    """Euler steps in each bin; none may be longer than the time constant."""


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
