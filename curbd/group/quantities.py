"""Quantities of every session that can be compared between sessions, because they have no scale of their own.

The currents of two recordings have different scales: the activity of a unit is divided by a number of its own, and the
recorded units are others. Currents are therefore never pooled, only shares, standardised differences and evidence.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

Array = np.ndarray
QUANTITY_COLUMNS = (
    "model",
    "quantity",
    "target",
    "source",
    "recording",
    "estimate",
    "error",
    "p_value",
    "resolved",
    "supported",
    "signed",
)
"""Columns of the table of quantities: one row per session, model, quantity and pathway."""
GAIN_NULLS = ("trial_shuffle", "time_shift")
"""Nulls of the held-out gain, the preferred null first."""
MAX_Q_OF_SESSION = 0.05
"""Largest q-value of a contrast that a session resolves."""
NORMAL_95_WIDTH = 3.919928
"""Width of a 95 % interval in standard errors."""
UNWEIGHTED = ("share", "asymmetry_share")
"""Quantities of which sessions have equal weights: the error of a share grows with the share, so that sessions with
small shares would count most."""
SUPPORTED_GRADES = ("resolved", "supported")
SUPPORT = ["resolved", "supported"]
PATHWAY = ["model", "recording", "target", "source"]


def quantities(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Collect the comparable quantities of all sessions.

    Parameters
    ----------
    tables : name -> collected table of a run: ``pathways``, ``nulls``, ``regions``, ``contrasts``, ``inactivations``.

    Returns
    -------
    One row per session, model, quantity and pathway, with the columns `QUANTITY_COLUMNS`.
    """
    pathways = _with_support(tables["pathways"])
    of_pathways = [
        _shares(pathways),
        _unique_shares(pathways),
        _held_out_gains(tables["nulls"], pathways),
        _evidence(pathways, tables["regions"]),
    ]
    of_pathways = [part for part in of_pathways if len(part)]
    parts = [
        *of_pathways,
        *(_asymmetry(part) for part in of_pathways),
        _contrasts(tables["contrasts"]),
        _effects(tables["inactivations"]),
    ]
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame(columns=list(QUANTITY_COLUMNS))
    return pd.concat([part[list(QUANTITY_COLUMNS)] for part in parts], ignore_index=True)


def _with_support(pathways: pd.DataFrame) -> pd.DataFrame:
    """The table ``pathways`` with flags for pathways that are resolved, and for those that are at least supported."""
    resolved = pathways["verdict"] == "resolved"
    graded = pathways["grade"].isin(SUPPORTED_GRADES) if "grade" in pathways else resolved
    return pathways.assign(resolved=resolved, supported=resolved | graded)


def _shares(pathways: pd.DataFrame) -> pd.DataFrame:
    """The share of the variance of the current of the target, with a standard error if the model gives an interval."""
    has_interval = "share_low" in pathways
    error = (pathways["share_high"] - pathways["share_low"]) / NORMAL_95_WIDTH if has_interval else np.nan
    return pathways[[*PATHWAY, *SUPPORT, "p_value"]].assign(
        quantity="share", estimate=pathways["share"], error=error, signed=False
    )


def _unique_shares(pathways: pd.DataFrame) -> pd.DataFrame:
    """The share of the held-out current that the source adds to all other sources, with its standard error."""
    if "unique_share" not in pathways:
        return pathways.head(0)
    known = pathways[pathways["unique_share"].notna()]
    error = (known["unique_share"] / known["unique_t"].where(known["unique_t"] != 0)).abs()
    return known[[*PATHWAY, *SUPPORT]].assign(
        quantity="unique_share", estimate=known["unique_share"], error=error, p_value=np.nan, signed=True
    )


def _held_out_gains(nulls: pd.DataFrame, pathways: pd.DataFrame) -> pd.DataFrame:
    """The share of the held-out current that is predicted only with the source, beyond its null."""
    gains = nulls[(nulls["measure"] == "held_out_gain") & nulls["null"].isin(GAIN_NULLS)]
    gains = gains.assign(rank=gains["null"].map({name: rank for rank, name in enumerate(GAIN_NULLS)}))
    gains = gains.sort_values("rank", kind="stable").drop_duplicates(PATHWAY)
    gains = gains.merge(pathways[[*PATHWAY, *SUPPORT]], on=PATHWAY, how="left")
    return gains[[*PATHWAY, *SUPPORT, "p_value"]].assign(
        quantity="held_out_gain",
        estimate=gains["statistic"] - gains["null_mean"],
        error=(gains["null_high"] - gains["null_low"]) / NORMAL_95_WIDTH,
        signed=False,
    )


def _evidence(pathways: pd.DataFrame, regions: pd.DataFrame) -> pd.DataFrame:
    """The evidence for the pathway for each training bin, in nats, of models that give it."""
    if "evidence_nats" not in pathways:
        return pathways.head(0)
    known = pathways[pathways["evidence_nats"].notna()]
    if not len(known):
        return known
    n_samples = regions.groupby("recording")["n_samples"].first()
    return known[[*PATHWAY, *SUPPORT, "p_value"]].assign(
        quantity="evidence_per_bin",
        estimate=known["evidence_nats"] / known["recording"].map(n_samples),
        error=np.nan,
        signed=False,
    )


def _asymmetry(part: pd.DataFrame) -> pd.DataFrame:
    """A quantity from A to B minus the same quantity from B to A, for regions A before B in alphabetical order."""
    forward = part[part["source"] < part["target"]]
    back = part.rename(columns={"source": "target", "target": "source"})
    both = forward.merge(back, on=PATHWAY, suffixes=("", "_back"))
    return both[PATHWAY].assign(
        quantity="asymmetry_" + part["quantity"].iloc[0],
        estimate=both["estimate"] - both["estimate_back"],
        error=np.sqrt(both["error"] ** 2 + both["error_back"] ** 2),
        p_value=np.nan,
        resolved=both["resolved"] & both["resolved_back"],
        supported=both["supported"] & both["supported_back"],
        signed=True,
    )


def _contrasts(contrasts: pd.DataFrame) -> pd.DataFrame:
    """The standardised difference between two levels, by contrast and part of the current."""
    # A latent of one recording is not that of another recording.
    contrasts = contrasts[contrasts["part"] != "latent"]
    if not len(contrasts):
        return contrasts
    name = contrasts["contrast"] + ":" + contrasts["level_a"] + "-" + contrasts["level_b"] + ":" + contrasts["part"]
    width = contrasts["ci_high"] - contrasts["ci_low"]
    scale = (contrasts["standardised"] / contrasts["difference"]).abs()
    rows = contrasts[PATHWAY].assign(
        quantity="contrast:" + name,
        # The p-values that belong to the difference over the window; those of clusters are often exactly 1.
        p_value=contrasts[["window_p_value", "p_posterior"]].max(axis=1),
        estimate=contrasts["standardised"],
        error=width / NORMAL_95_WIDTH * scale,
        resolved=contrasts["q_value"] <= MAX_Q_OF_SESSION,
        supported=contrasts["q_value"] <= MAX_Q_OF_SESSION,
        signed=contrasts["part"] != "pattern",
    )
    return rows[rows["estimate"].notna()]


def _effects(inactivations: pd.DataFrame) -> pd.DataFrame:
    """The effect of every perturbation on other regions, in standard deviations of the effects of random groups."""
    rows = inactivations[
        (inactivations["target_kind"] == "region") & (inactivations["acts_on"] != inactivations["target"])
    ]
    if not len(rows):
        return rows
    first = rows.groupby(["model", "recording"])["seed"].transform("min")
    rows = rows[(rows["seed"] == first) & rows["null_high"].notna()]
    width = (rows["null_high"] - rows["null_low"]).where(lambda values: values > 0)
    middle = (rows["null_high"] + rows["null_low"]) / 2
    rows = rows.assign(
        source=rows["acts_on"],
        quantity="effect:"
        + rows["experiment"]
        + np.where(rows["strength"] < 1, "@" + rows["strength"].astype(str), ""),
        estimate=(rows["effect_rms"] - middle) / width * NORMAL_95_WIDTH,
        resolved=rows["verdict"] == "supported",
    )
    grouped = rows.groupby([*PATHWAY, "quantity"], sort=False)
    averaged = grouped.agg(estimate=("estimate", "mean"), p_value=("p_value", "min"), resolved=("resolved", "any"))
    # The smallest of several p-values, of conditions or windows, is corrected for their number.
    averaged["p_value"] = (averaged["p_value"] * grouped.size()).clip(upper=1)
    averaged = averaged[averaged["estimate"].notna()].reset_index()
    return averaged.assign(error=np.nan, signed=False, supported=averaged["resolved"])
