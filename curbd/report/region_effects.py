"""Effects of experiments on regions, as figures and pages show them: the rows of the first fit, and effects in Hz."""

from __future__ import annotations

import pandas as pd

from curbd.inactivation.tabulate import effect_size
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
    """Return the mean effect on the units of a region over conditions, in Hz and in percent of their intact rate.

    Effects are those that are expected under the posterior; if there is no posterior, those of the fit.

    Returns
    -------
    (perturbation, region) -> text; empty if the rates of the recording are not in Hz.
    """
    rows = effects(fit)
    if "effect_hz" not in rows:
        return {}
    rows = rows.assign(hz=rows["expected_hz"].fillna(rows["effect_hz"])).dropna(subset="hz")
    means = rows.groupby(["perturbation", "target"], as_index=False)[["hz", "intact_hz"]].mean()
    texts = {}
    for row in means.to_dict("records"):
        share = f" ({_change_text(row['hz'] / row['intact_hz'])})" if row["intact_hz"] > MIN_INTACT_HZ else ""
        texts[str(row["perturbation"]), str(row["target"])] = f"{row['hz']:+.2g} Hz{share}".replace("-", "−")
    return texts


def _change_text(share: float) -> str:
    """A relative change in percent with its sign; ``<1 %`` for a change that is small and not zero."""
    return "<1 %" if 0 < abs(share) < 0.005 else f"{100 * share:+.0f} %"
