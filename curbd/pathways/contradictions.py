"""Pathways on which the null behind the verdict and the additional nulls disagree, in sentences for the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from curbd.pathways.verdict import MAX_Q_VALUE

COMPARED_NULLS = ("trial_shuffle", "time_shift")
"""Additional nulls that judge held-out prediction, as the null behind the verdict does."""
MAX_PATHWAYS_NAMED = 3
"""Up to this number of pathways are named in a sentence."""


def contradictions(pathways: pd.DataFrame, nulls: pd.DataFrame) -> list[str]:
    """Return a sentence for each null that contradicts the null behind the verdict on some pathways between regions.

    The null behind the verdict (`curbd.pathways.shuffled_source`) shuffles only that part of a source which the other
    sources do not predict. The additional nulls (`curbd.pathways.other_nulls`) shuffle or shift the whole source, and
    every source passes that shares its activity with a true source. A pathway that passes an additional null alone is
    therefore expected; a pathway that passes the null behind the verdict alone is not.

    Parameters
    ----------
    pathways : the table ``pathways`` of one model and recording.
    nulls : the table ``nulls`` of the same model and recording.

    Returns
    -------
    The sentences; none if the nulls agree.
    """
    between = pathways[pathways["target"] != pathways["source"]]
    return [sentence for null in COMPARED_NULLS for sentence in _against(null, between, nulls)]


def _against(null: str, pathways: pd.DataFrame, nulls: pd.DataFrame) -> Iterator[str]:
    """Yield the sentences on one additional null: pathways that pass it alone, and pathways that fail it alone."""
    rows = nulls[(nulls["null"] == null) & (nulls["measure"] == "held_out_gain")]
    both = pathways.merge(rows, on=["target", "source"], suffixes=("", "_null")).dropna(
        subset=["q_value", "q_value_null"]
    )
    passes, passes_null = (both[column] <= MAX_Q_VALUE for column in ("q_value", "q_value_null"))
    n_all = len(both)
    if (alone := both[passes & ~passes_null]).size:
        yield (
            f"{_listed(alone, n_all)}: q <= {MAX_Q_VALUE:g} in pathways.csv, but q > {MAX_Q_VALUE:g} for {null} in "
            f"nulls.csv.{_of_resolved(alone)} The verdict follows the former, which permutes only what the other "
            "sources do not predict. A pathway that exists is expected to pass both nulls: confirm it in a second "
            "session."
        )
    if (alone := both[~passes & passes_null]).size:
        yield (
            f"{_listed(alone, n_all)}: q <= {MAX_Q_VALUE:g} for {null} in nulls.csv, but q > {MAX_Q_VALUE:g} in "
            "pathways.csv. A source that merely shares its activity with another source passes the former null, so "
            "that the verdict follows the latter."
        )


def _of_resolved(rows: pd.DataFrame) -> str:
    """Say which of the pathways are resolved all the same; '' if there are none."""
    n_resolved = int((rows["verdict"] == "resolved").sum())
    if not n_resolved:
        return ""
    return f" {n_resolved} of them {'is resolved, and remains' if n_resolved == 1 else 'are resolved, and remain'} so."


def _listed(rows: pd.DataFrame, n_all: int) -> str:
    """Begin a sentence with the number of pathways and the names of the first."""
    names: Sequence[str] = [f"{row['source']} → {row['target']}" for row in rows.to_dict("records")]
    more = f" and {len(names) - MAX_PATHWAYS_NAMED} more" if len(names) > MAX_PATHWAYS_NAMED else ""
    return f"{len(names)} of {n_all} pathways ({', '.join(names[:MAX_PATHWAYS_NAMED])}{more})"
