"""Numbers in sentences that compare them with a limit."""

from __future__ import annotations

import math

MOST_DIGITS = 17
"""Digits with which any two different numbers differ."""


def beside_limit(value: float, limit: float, form: str) -> str:
    """Format a number with as many digits as it needs to differ from a limit.

    Without more digits, an expected R2 of 0.597 with a limit of 0.6 reads "0.60, and 0.6 is needed".

    Parameters
    ----------
    value : the number.
    limit : the number with which the sentence compares it.
    form : a format with the digits that are usual, such as ``.2f``, ``.0%`` or ``.2g``.

    Returns
    -------
    The number in this format; with more digits if the limit would be the same text otherwise.
    """
    usual, kind = int(form[1:-1]), form[-1]
    texts = [f"{value:.{usual}{kind}}"]
    if math.isfinite(value) and value != limit:
        for digits in range(usual, MOST_DIGITS + 1):
            texts.append(f"{value:.{digits}{kind}}")
            if texts[-1] != f"{limit:.{digits}{kind}}":
                return texts[-1]
    return texts[0]
