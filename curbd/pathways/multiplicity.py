"""Correction of p values for the number of tests."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def benjamini_hochberg(p_value: Array) -> Array:
    """Convert p values to q values; NaN where a p value is NaN.

    The q value of a test is the smallest false discovery rate at which the test is significant (Benjamini & Hochberg,
    J. R. Stat. Soc. B 1995).
    """
    q = np.full(p_value.shape, np.nan)
    tested = np.flatnonzero(np.isfinite(p_value))
    order = tested[np.argsort(p_value[tested], kind="stable")]
    scaled = p_value[order] * len(order) / np.arange(1, len(order) + 1)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1)
    return q
