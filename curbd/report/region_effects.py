"""Effects of experiments on regions, as figures and pages show them: the rows of the first fit, and effects in Hz."""

from __future__ import annotations

import pandas as pd

from curbd.inactivation.tabulate import effect_size
from curbd.recording.scaling import silent
from curbd.report.reading import ModelResults

MIN_INTACT_HZ = 0.01
"""Effects on regions with a smaller intact rate are not given in percent."""


def effects(fit: ModelResults) -> pd.DataFrame:
    """Select the rows of the table ``inactivations`` about regions, for the first seed.

    Two columns are added: ``size`` and ``shift`` are the rms and the mean of the effect, as expected under the
    posterior; if there is no posterior, they are the rms and the mean of the effect in the fit.
    """
    rows = fit.of_first_seed("inactivations")
    rows = rows[rows["target_kind"] == "region"]
    return rows.assign(size=effect_size(rows), shift=rows["expected_mean"].fillna(rows["effect_mean"]))


def effects_in_hz(fit: ModelResults) -> dict[tuple[str, str], str]:
    """Return the mean effect on the units of a region in Hz and in percent of their intact rate.

    Returns
    -------
    (perturbation, region) -> text; empty if the rates of the recording are not in Hz.
    """
    recording = fit.recording
    if recording["rates"].attrs.get("units") != "Hz" or recording.attrs["activity"] == "model":
        return {}
    scale = recording["scale"].to_series()
    units = fit.of_first_seed("inactivation_units")
    hz = units["unit_id"].map(scale.set_axis(recording["unit_id"].values.astype(str)))
    intact = (units["intact_mean"] - silent(recording, fit.networks.attrs.get("phi"))) * hz
    units = units.assign(effect=units["effect_mean"] * hz, intact=intact)
    means = units.groupby(["perturbation", "region"], as_index=False)[["effect", "intact"]].mean()
    texts = {}
    for row in means.to_dict("records"):
        share = f" ({_change_text(row['effect'] / row['intact'])})" if row["intact"] > MIN_INTACT_HZ else ""
        texts[str(row["perturbation"]), str(row["region"])] = f"{row['effect']:+.2g} Hz{share}".replace("-", "−")
    return texts


def _change_text(share: float) -> str:
    """A relative change in percent with its sign; ``<1 %`` for a change that is small and not zero."""
    return "<1 %" if 0 < abs(share) < 0.005 else f"{100 * share:+.0f} %"
