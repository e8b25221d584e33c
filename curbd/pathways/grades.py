"""The columns of the table of pathways that the rule of the verdict gives: verdict, grade, rank, reasons, needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from curbd.pathways.power import needed
from curbd.pathways.verdict import Grounds, judgement
from curbd.tables.pathways import GRADES


def with_verdicts(table: pd.DataFrame, further: Mapping[str, np.ndarray], trials: int) -> pd.DataFrame:
    """Add the verdict, the grade and what follows from them to a table of pathways of one model.

    Parameters
    ----------
    table : one row per pathway, with columns for fields of `curbd.pathways.verdict.Grounds`.
    further : all other fields of `curbd.pathways.verdict.Grounds`, each with one value for every pathway (pathway,).
    trials : number of training trials.

    Returns
    -------
    The table with the columns ``verdict``, ``resolved_by``, ``grade``, ``grade_rank``, ``reason``, ``reason_codes`` and
    ``needed``.
    """
    grounds = [
        Grounds(**{name: row[name] for name in Grounds._fields}) for row in table.assign(**further).to_dict("records")
    ]
    judgements = [judgement(of_pathway) for of_pathway in grounds]
    graded = table.assign(
        verdict=[judged.verdict for judged in judgements],
        resolved_by=[judged.resolved_by for judged in judgements],
        grade=[judged.grade for judged in judgements],
        reason=[judged.reason for judged in judgements],
        reason_codes=[";".join(judged.codes) for judged in judgements],
        needed=[needed(of_pathway, judged, trials) for of_pathway, judged in zip(grounds, judgements, strict=True)],
    )
    return graded.assign(grade_rank=grade_ranks(graded))


def believed_currents(table: pd.DataFrame) -> pd.DataFrame:
    """Select the resolved pathways whose current can be believed: those that skewness resolves are left out.

    Parameters
    ----------
    table : one row per pathway, with the column ``verdict``, and ``resolved_by`` where skewness was asked.
    """
    resolved = table["verdict"] == "resolved"
    return table[resolved & (table.get("resolved_by", "") != "skewness")]


def existing_currents(table: pd.DataFrame) -> pd.DataFrame:
    """Select the pathways that exist by the evidence of the bin before: resolved or supported, not by skewness alone.

    The size of the current of a supported pathway may partly belong to what was not recorded.

    Parameters
    ----------
    table : one row per pathway, with the columns ``grade`` and, where skewness was asked, ``reason_codes`` and
        ``resolved_by``.
    """
    by_skewness = (table.get("resolved_by", "") == "skewness") | objected(table, {"shared_skewness"})
    return table[table["grade"].isin(("resolved", "supported")) & ~by_skewness]


def objected(table: pd.DataFrame, codes: Collection[str]) -> pd.Series[bool]:
    """Say for every pathway (pathway,) whether one of some codes speaks against it."""
    against = table["reason_codes"].fillna("").astype(str).str.split(";")
    return against.map(lambda own: not set(codes).isdisjoint(own)).astype(bool)


def grade_ranks(table: pd.DataFrame) -> pd.Series:
    """Rank the pathways of one model: by grade, and inside a grade by the share that only the source predicts.

    Parameters
    ----------
    table : one row per pathway, with the columns ``grade`` and ``unique_share``.

    Returns
    -------
    (pathway,) ranks from 1, the best evidence first.
    """
    order = table.assign(place=table["grade"].map(GRADES.index)).sort_values(
        ["place", "unique_share"], ascending=[True, False], kind="stable"
    )
    return pd.Series(range(1, len(order) + 1), index=order.index).reindex(table.index)
