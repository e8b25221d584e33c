"""Settings of the models: family, estimator with its options, and what every estimator understands."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator

from curbd.settings.constraints import Constraints
from curbd.settings.estimators import (
    ANY_NONLINEARITY,
    CONSTRAINED,
    ESTIMATORS,
    OWN_TIME_CONSTANTS,
    SILENT_UNITS,
    FitSettings,
    NonlinearityName,
    OwnTimeConstants,
    Tau,
)
from curbd.settings.section import NotNegative, Positive, Section, Seed

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
