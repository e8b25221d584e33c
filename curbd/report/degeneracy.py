"""How much the fits of a recording disagree, and what they differ in."""

from __future__ import annotations

import pandas as pd

from curbd.degeneracy.components import variance_components
from curbd.report.grid import Grid
from curbd.report.wording import r2_text
from curbd.tables import TABLES
from curbd.tables.degeneracy import QUANTITIES

VARIED_WORDS = {
    "initialisation": "random start",
    "data": "resampled trials",
    "seed": "resampled trials and random start",
    "estimator": "estimator",
    "constraint": "constraints or other options",
}
"""What fits differ in -> words on the page."""
BETWEEN_REGIONS = "currents_between_regions"


def sentences(rows: pd.DataFrame) -> list[str]:
    """Say which fits send different currents between regions, and which the same.

    Parameters
    ----------
    rows : rows of the table ``degeneracy`` of one recording.

    Returns
    -------
    One sentence, and one more where fits disagree; none without rows about currents between regions.
    """
    judged = rows[(rows["quantity"] == BETWEEN_REGIONS) & (rows["verdict"] != "")]
    if judged.empty:
        return []
    degenerate = judged[judged["verdict"] == "degenerate"]
    if degenerate.empty:
        least = r2_text(judged["agreement"].min())
        return [f"All fits send nearly the same currents between regions: they correlate by {least} or more."]
    counts = [
        f"{words}: {(degenerate['varied'] == name).sum()} of {(judged['varied'] == name).sum()}"
        for name, words in VARIED_WORDS.items()
        if (judged["varied"] == name).any()
    ]
    return [
        f"The answer is degenerate: in {len(degenerate)} of {len(judged)} comparisons, networks that were fitted to "
        "the same recording send different currents between regions.",
        f"By what the fits differ in: {'; '.join(counts)}.",
    ]


def components(rows: pd.DataFrame) -> Grid:
    """Collect the disagreement of fits by quantity, with a column for everything that the fits differ in.

    Parameters
    ----------
    rows : rows of the table ``degeneracy`` of one recording.

    Returns
    -------
    The table of the page: 1 minus the mean agreement.
    """
    table = variance_components(rows).set_index("quantity") if len(rows) else pd.DataFrame()
    varied = [name for name in VARIED_WORDS if name in table]
    cells = [
        [quantity.replace("_", " "), *(r2_text(float(table[name][quantity])) for name in varied)]
        for quantity in QUANTITIES
        if quantity in table.index
    ]
    meaning = "1 minus the mean agreement of fits that differ in this"
    headings = [("disagreement in", "what is compared"), *((VARIED_WORDS[name], meaning) for name in varied)]
    return Grid(headings=headings, rows=cells, omitted=0, file=TABLES["degeneracy"].file)
