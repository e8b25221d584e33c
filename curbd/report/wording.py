"""Numbers, names of sources, lists, and grades of pathways as readers of the report see them."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

GRADE_MARKS = {"resolved": "✓", "supported": "(✓)", "cannot_tell": "?", "no_evidence": "–"}
"""Grade of a pathway -> sign that can be told apart without colours."""
GRADE_WORDS = {
    "resolved": "resolved",
    "supported": "supported, confounds possible",
    "cannot_tell": "cannot tell",
    "no_evidence": "no evidence",
}
"""Grade of a pathway -> words for readers."""
GRADE_KEY = "; ".join(f"{mark}: {GRADE_WORDS[grade]}" for grade, mark in GRADE_MARKS.items())
"""Explanation of the signs."""
NOT_JUDGED_MARK = "○"
NOT_JUDGED_KEY = (
    f" {NOT_JUDGED_MARK}: not judged, because the verdicts of a population network are about pathways between regions."
)
"""Explanation of the sign of pathways without a verdict."""
MAX_LISTED = 12
"""Longer lists of names are cut here."""


def number_text(value: float, digits: int = 2) -> str:
    """Format a number with ``digits`` significant digits; large numbers without an exponent, NaN as an empty string."""
    if not np.isfinite(value):
        return ""
    text = f"{value:.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"
    return text.replace("-", "−")


def r2_text(value: float) -> str:
    """Format an R2 with two decimals; zero without a sign, NaN as an empty string."""
    return "" if np.isnan(value) else f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def percent_text(share: float) -> str:
    """Format a share as a percentage; ``<1 %`` for a share that is small and not zero, and no sign for zero."""
    return "<1 %" if 0 < share < 0.005 else f"{round(100 * share) + 0:.0f} %".replace("-", "−")


def counted(number: int, noun: str) -> str:
    """Format a number with its noun: ``1 region``, ``2 regions``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def are(number: int) -> str:
    """Return ``is`` for the number 1, and ``are`` for every other number."""
    return "is" if number == 1 else "are"


def listed(names: pd.Series) -> str:
    """Write names of regions, sources or pathways one after another; of more than `MAX_LISTED`, the others are counted.

    Parameters
    ----------
    names : the names.
    """
    shown = [source_label(str(name)) for name in names[:MAX_LISTED]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def source_label(source: str) -> str:
    """Return the name of a source for headings: ``light (input)`` for ``input:light``.

    Sources that a model estimates are no inputs of the experimenter: ``evoked response`` for ``input:evoked``, and
    ``hidden input 1`` for ``input:hidden_1``.
    """
    if not source.startswith("input:"):
        return source
    name = source.removeprefix("input:")
    hidden = re.fullmatch(r"hidden_(\d+)", name)
    return "evoked response" if name == "evoked" else f"hidden input {hidden[1]}" if hidden else f"{name} (input)"


def pathway_label(source: str, target: str) -> str:
    """Return the name of a pathway for headings: ``light (input) → V1``."""
    return f"{source_label(source)} → {target}"


def meaning_of_estimated(sources: Iterable[str]) -> str:
    """Explain the sources of a figure that a model estimates, as the end of its caption; '' without such sources.

    Parameters
    ----------
    sources : names of the sources.
    """
    names = set(sources)
    evoked = (
        " The evoked response is an input that the model estimates: what is the same in all trials of a condition and "
        "does not come from the activity of the regions."
    )
    hidden = " Hidden inputs were not recorded; the model infers them from what units share."
    return evoked * ("input:evoked" in names) + hidden * any(name.startswith("input:hidden_") for name in names)


def is_judged(pathways: pd.DataFrame) -> pd.Series:
    """Return True for every pathway with a verdict; population networks have none within a region and from inputs.

    Parameters
    ----------
    pathways : rows of the table ``pathways``.
    """
    return pathways["reason_codes"].fillna("") != "not_judged"


def with_marks(pathways: pd.DataFrame) -> pd.DataFrame:
    """Add the column ``mark``, the sign of the grade of every pathway, or the sign that there is no verdict.

    Parameters
    ----------
    pathways : rows of the table ``pathways``.
    """
    return pathways.assign(mark=pathways["grade"].map(GRADE_MARKS).where(is_judged(pathways), NOT_JUDGED_MARK))
