"""Correction of p values for the number of questions asked."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def benjamini_hochberg(p_value: Array) -> Array:
    """q values (Benjamini & Hochberg 1995); NaN stays NaN."""
    q = np.full(p_value.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p_value))
    order = known[np.argsort(p_value[known], kind="stable")]
    scaled = p_value[order] * len(order) / np.arange(1, len(order) + 1)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1)
    return q
