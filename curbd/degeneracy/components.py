"""How much fits disagree by what they differ in, from the table ``degeneracy``."""

from __future__ import annotations

import pandas as pd


def variance_components(table: pd.DataFrame) -> pd.DataFrame:
    """Return how much fits disagree by what they differ in: 1 minus the mean agreement.

    Parameters
    ----------
    table : the table ``degeneracy``.

    Returns
    -------
    One row for every recording and quantity, one column for everything that was varied.
    """
    disagreement = table.assign(disagreement=1 - table["agreement"])
    return disagreement.pivot_table(
        index=["recording", "quantity"], columns="varied", values="disagreement", aggfunc="mean"
    ).reset_index()
