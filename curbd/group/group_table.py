"""The table ``group``: every quantity and pathway over all sessions and animals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from curbd.group.quantities import NORMAL_95_WIDTH, UNWEIGHTED, quantities
from curbd.group.random_effects import combine, stouffer
from curbd.pathways.multiplicity import benjamini_hochberg

GROUP_KEY = ["model", "quantity", "target", "source"]


def group_table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Combine the pathways, effects and contrasts of all sessions over animals.

    Regions may differ between sessions: a pathway is combined over the sessions that have it, and its row says how many
    these are.

    Parameters
    ----------
    tables : name -> collected table of a run, with the columns ``subject`` and ``session``.

    Returns
    -------
    The table ``group``, one row per model, quantity and pathway.
    """
    sessions = session_table(tables)
    rows = []
    for key, rows_of_key in sessions.groupby(GROUP_KEY, sort=True):
        estimate, p_value = rows_of_key["estimate"].to_numpy(float), rows_of_key["p_value"].to_numpy(float)
        has_weights = len(rows_of_key) == 1 or rows_of_key["quantity"].iloc[0] not in UNWEIGHTED
        error = rows_of_key["error"].to_numpy(float) if has_weights else np.full(len(rows_of_key), np.nan)
        combined = combine(estimate, error, rows_of_key["subject"].to_numpy(str))
        signed, has_p = bool(rows_of_key["signed"].iloc[0]), bool(np.isfinite(p_value).any())
        rows.append(
            {
                **dict(zip(GROUP_KEY, key, strict=True)),
                "n_sessions": rows_of_key["session"].nunique(),
                "n_subjects": rows_of_key["subject"].nunique(),
                "n_resolved": int(rows_of_key["resolved"].sum()),
                "n_supported": int(rows_of_key["supported"].sum()),
                "estimate": combined.estimate,
                "ci_low": combined.ci_low,
                "ci_high": combined.ci_high,
                "interval_over": combined.interval_over,
                "p_value": stouffer(p_value, estimate if signed else None) if has_p else combined.p_value,
                "p_value_of": "sessions" if has_p else "mean",
            }
        )
    columns = [*GROUP_KEY, "n_sessions", "n_subjects", "n_resolved", "n_supported", "estimate", "ci_low", "ci_high"]
    columns += ["p_value", "q_value", "interval_over", "p_value_of"]
    table = pd.DataFrame(rows, columns=[column for column in columns if column != "q_value"])
    table["q_value"] = np.nan
    for _, rows_of_quantity in table.groupby(["model", "quantity"]):
        table.loc[rows_of_quantity.index, "q_value"] = benjamini_hochberg(rows_of_quantity["p_value"].to_numpy(float))
    return table[columns]


def session_table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Collect the quantities of every session, with the names of session and animal.

    Parameters
    ----------
    tables : name -> collected table of a run, with the columns ``subject`` and ``session``.

    Returns
    -------
    The rows of `curbd.group.quantities.quantities` with the columns ``subject`` and ``session``, and the ends
    ``ci_low`` and ``ci_high`` of the interval of every session.
    """
    names = tables["regions"].groupby("recording")[["subject", "session"]].first()
    rows = quantities(tables).join(names, on="recording")
    # Two recordings of one session, such as two windows, have the name of the session in common.
    return rows.assign(
        session=rows["subject"].astype(str) + "/" + rows["session"].astype(str),
        ci_low=rows["estimate"] - NORMAL_95_WIDTH / 2 * rows["error"],
        ci_high=rows["estimate"] + NORMAL_95_WIDTH / 2 * rows["error"],
    )
