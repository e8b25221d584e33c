"""What a model is, in plain words, and its settings with their meaning."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from curbd.report.reading import ModelResults
from curbd.report.wording import counted
from curbd.settings.estimators import ESTIMATORS
from curbd.settings.models import Model

KINDS = {
    "full_rank": "A network of the recorded units with any connectivity",
    "low_rank": "A network of the recorded units whose connectivity has a low rank",
}
"""Family -> what a network of the family is."""
POPULATION_KIND = "A network of a few latents for each region, which stand for recorded and unrecorded units"


class Setting(NamedTuple):
    """A setting of a model: its key in the config, its value, and what the key means."""

    key: str
    value: str
    meaning: str


def about_model(fit: ModelResults) -> str:
    """Say in plain words what a model is, and what its fits are."""
    attrs = fit.networks.attrs
    kind = POPULATION_KIND if fit.is_of_populations else KINDS[attrs["family"]]
    n_fits = fit.networks.sizes["seed"]
    resampled = ", of which all but the first use resampled trials" if n_fits > 1 and attrs["resample_trials"] else ""
    origin = "estimated time constant" if attrs.get("tau_s_setting") == "estimate" else "time constant"
    return f"{kind}; {counted(n_fits, 'fit')}{resampled}; {origin} {float(fit.networks['tau_s'].values[0]):.3g} s."


def settings_of(fit: ModelResults) -> list[Setting]:
    """List estimator, options and further settings of a model, with defaults, as the config names them."""
    attrs = fit.networks.attrs
    section = ESTIMATORS[attrs["family"]][attrs["estimator"]]
    options = json.loads(attrs["options"])
    rows = [Setting("estimator", str(attrs["estimator"]), _in_one_line(section.__doc__))]
    for key, field in section.model_fields.items():
        if key in options:
            rows.append(Setting(key, _as_text(options[key]) + _choice_of(key, fit), _in_one_line(field.description)))
    further = {
        "seeds": ", ".join(map(str, fit.networks["seed"].values)),
        "tau_s": _as_text(attrs.get("tau_s_setting")),
        "substeps": _as_text(int(attrs["substeps"])),
        "nonlinearity": _as_text(attrs.get("phi")),
    }
    return rows + [
        Setting(key, value, _in_one_line(Model.model_fields[key].description))
        for key, value in further.items()
        if value != "null"
    ]


def _choice_of(key: str, fit: ModelResults) -> str:
    """What an automatic choice chose."""
    chosen = fit.networks.get("penalty_by") if key == "penalties" else None
    return "" if chosen is None else f" (chosen: {chosen.values[0]})"


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _in_one_line(text: str | None) -> str:
    return " ".join((text or "").split())
