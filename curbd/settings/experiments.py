"""Settings of the in-silico experiments on fitted networks (keys `inactivations` and `bench` of the config)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from curbd.settings.section import Name, Positive, Section, Seed

Dose = Annotated[float, Field(gt=0, le=1)]
Doses = Annotated[list[Dose], Field(min_length=1)]


class Intervention(Section):
    """One intervention: what is acted on, and what is done to it."""

    kind: Literal["region", "units", "population", "pathway", "input", "latent"] = "region"
    """What is acted on. `region`, `units`, `population`: the units of a region, chosen units, or the units of a
    population of a low-rank network. `pathway`: the weights from one region to another are removed (the units of both
    regions stay active). `input`, `latent`: an input, or a latent of a low-rank network, is removed. Experiments on
    latents and populations are skipped in models that have none."""
    region: str | None = None
    """With `kind: region`: the region. Null: each region in turn."""
    units: list[str] = []
    """With `kind: units`: values of `unit_id`. Empty: all units that `where`, `between` and `table` select."""
    where: dict[str, list[Any]] = {}
    """With `kind: units`: only units whose column (`region`, `cell_type`, any column of the units or of `table`)
    holds one of these values, e.g. `{cell_type: [inhibitory]}`."""
    between: dict[str, Annotated[list[float], Field(min_length=2, max_length=2)]] = {}
    """With `kind: units`: only units whose column lies between two numbers, e.g. `{tuning: [0.5, 1]}`."""
    table: str | None = None
    """With `kind: units`: path of a TSV or CSV with the column `unit_id` (and `recording`, if the table is about
    several recordings). `where` and `between` can name other columns of this table. Without `where` and `between`: all
    units that the table lists."""
    population: str | None = None
    """With `kind: population`: index of the population, as in `populations.csv`. Null: each population in turn."""
    source: str | None = None
    """With `kind: pathway`: sending region. Null: each region in turn."""
    target: str | None = None
    """With `kind: pathway`: receiving region. Null: each region in turn."""
    input: str | None = None
    """With `kind: input`: name of the input. Null: each input in turn."""
    latent: Annotated[int, Field(ge=1)] | None = None
    """With `kind: latent`: index of the latent, from 1; its contribution to the connectivity J = m n' is removed. Null:
    each latent in turn."""
    fraction: Dose | Doses | None = None
    """Act on a random fraction of the units. With a list: one experiment for each fraction, in which larger groups
    contain the smaller groups."""
    seed: Seed = 0
    """Seed for the random choice of units for `fraction`."""
    action: Literal["silence", "clamp", "scale", "drive"] = "silence"
    """What is done to the units. `silence`: rates are held at the level of a silent unit (0, or -1 with `scaling:
    counts`). `clamp`: rates are held at `value`. `scale`: rates are multiplied by `value`. `drive`: `value` is added to
    the current of each unit, or to its rate (`value_in`)."""
    value: float | Literal["measured"] | None = None
    """With `clamp`: a scaled rate from -1 to 1. With `scale`: a factor of at least 0. With `drive`: a current or a
    change of the rate (`value_in`). `measured`, with `drive`: the rate of each unit changes by as much as in the
    perturbed trials that refer to this experiment (key `like` of `perturbed`)."""
    value_in: Literal["current", "rate"] = "current"
    """With `drive` and a number: `current` for the (dimensionless) units of the state x in tau dx/dt = -x + ..., `rate`
    for the units of the recording, such as Hz. The rates of driven units are then those of the intact run plus
    `value`."""
    weights: Literal["all", "excitatory", "inhibitory"] = "all"
    """`excitatory` or `inhibitory`: set only the positive or only the negative outgoing weights to zero; the units stay
    active."""

    @property
    def drives_rates(self) -> bool:
        """Return True for a drive that is given as a change of rates, as measured or in the units of the recording."""
        return self.value == "measured" or self.value_in == "rate"

    @model_validator(mode="after")
    def _keys_of_the_kind(self) -> Intervention:
        allowed = _KEYS_OF_KIND[self.kind]
        for key, field in Intervention.model_fields.items():
            if key != "kind" and key not in allowed and getattr(self, key) != field.default:
                raise ValueError(f"{key}: found with kind {self.kind}, expected only the keys {', '.join(allowed)}")
        for column, (low, high) in self.between.items():
            if low > high:
                raise ValueError(f"between: found {low:g} to {high:g} for {column}, expected the smaller number first")
        return self

    @model_validator(mode="after")
    def _value_of_the_action(self) -> Intervention:
        if self.weights != "all" and self.action != "silence":
            raise ValueError(f"weights: found {self.weights} with action {self.action}, expected action silence")
        if self.value_in == "rate" and (self.action != "drive" or self.value == "measured"):
            raise ValueError(f"value_in: found rate with action {self.action}, expected action drive and a number")
        if self.action == "silence":
            if self.value is not None:
                value = self.value if self.value == "measured" else f"{self.value:g}"
                raise ValueError(f"value: found {value} with action silence, expected action clamp, scale or drive")
            return self
        if self.value is None:
            raise ValueError(f"value: found nothing with action {self.action}, expected a number")
        if self.value == "measured":
            if self.action != "drive":
                raise ValueError(f"value: found measured with action {self.action}, expected action drive or a number")
            return self
        if self.action == "clamp" and not -1 <= self.value <= 1:
            raise ValueError(f"value: found {self.value:g} with action clamp, expected a rate from -1 to 1")
        if self.action == "scale" and self.value < 0:
            raise ValueError(f"value: found {self.value:g} with action scale, expected a factor of at least 0")
        return self


_ON_UNITS = ("fraction", "seed", "action", "value", "value_in", "weights")


_KEYS_OF_KIND: dict[str, tuple[str, ...]] = {
    "region": ("region", *_ON_UNITS),
    "units": ("units", "where", "between", "table", *_ON_UNITS),
    "population": ("population", *_ON_UNITS),
    "pathway": ("source", "target", "weights"),
    "input": ("input",),
    "latent": ("latent",),
}


class Inactivation(Intervention):
    """One in-silico experiment: what is done to the network, how strongly, when, and in which trials."""

    parts: list[Intervention] = []
    """Several interventions at the same time. Each entry takes the keys above, and the experiment itself then has none
    of these keys. Entries that do not name a region, input or other object stand for each of them in turn, in all
    combinations: two entries `{kind: region}` silence every pair of regions."""
    strength: Dose | Doses = 1.0
    """Strength of the action, from 0 (no effect) to 1 (full effect): with `silence`, 0.5 halves the rates. With a list:
    one experiment for each dose."""
    start_s: float | None = None
    """Start of the perturbation in seconds. Intact and perturbed runs start here, from the recorded state. Null: the
    start of the trial."""
    stop_s: float | None = None
    """End of the perturbation in seconds. Null: the end of the trial."""
    sweep_s: Positive | None = None
    """Divide the time from `start_s` to `stop_s` into successive windows of this length in seconds, and perturb in one
    window at a time."""
    conditions: list[str] = []
    """Perturb only trials of these conditions. Empty: trials of all conditions."""
    recordings: Annotated[list[Name], Field(min_length=1)] | None = None
    """Names of the recordings on whose networks the experiment is run. Null: every recording that has the regions,
    units or inputs that the experiment names; for all other recordings the experiment is left out, with a remark."""

    @model_validator(mode="after")
    def _parts_and_window(self) -> Inactivation:
        if self.parts:
            for key, field in Intervention.model_fields.items():
                if getattr(self, key) != field.default:
                    raise ValueError(f"{key}: found next to parts, expected inside an entry of parts")
        if self.start_s is not None and self.stop_s is not None and self.start_s >= self.stop_s:
            raise ValueError(f"stop_s: found {self.stop_s:g}, expected a time after start_s: {self.start_s:g}")
        return self


class ExperimentSettings(Section):
    """How all experiments of `inactivations` are run on the fitted networks, and how their effects are tested."""

    noise_draws: Annotated[int, Field(ge=0)] = 0
    """Number of times that the fitted process noise is drawn for every trial. The intact and the perturbed network
    receive the same noise, and effects are averaged over the draws. 0: networks are simulated without noise."""
    posterior_draws: Annotated[int, Field(ge=0)] = 20
    """Number of networks that are drawn from the posterior of the first fit, for the interval of every effect. If the
    estimator has no posterior, the interval comes from the spread over the fits of the model."""
    groups: Annotated[int, Field(ge=0)] = 39
    """Number of random groups of units with which an effect is compared; the smallest possible p-value is 1 / (groups +
    1), and the smallest q-value of a single effect among n is n / (groups + 1). If no more than 200 groups exist, all
    are compared."""
    readout: list[str] = []
    """Inputs or trial columns, for example a choice, that a cross-validated linear regression predicts from the rates
    of all units. The tables then also hold the effect of every experiment on this prediction, with the target
    `readout:<name>`."""
    seed: Seed = 0
    """Seed for the random groups, the drawn networks and the noise."""


class Experiments(Section):
    """The experiments of a run, as the file experiments.json of a recording passes them to the step `inactivate`."""

    inactivations: dict[Name, Inactivation] = {}
    """Name -> in-silico experiment."""
    bench: ExperimentSettings = ExperimentSettings()
    """How all experiments are run, and how their effects are tested."""
