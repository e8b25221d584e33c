"""Settings of the experiments on fitted networks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from curbd.settings.section import Positive, Section

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


class ExperimentSettings(Section):
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
