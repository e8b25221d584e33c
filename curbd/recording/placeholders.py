"""Numbers such as -999 that mark missing values of the activity."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

PLACEHOLDERS = (-999.0, -9999.0, -99999.0, -999999.0)
"""Numbers that files use for missing values."""
MIN_RANGES_APART = 5.0
"""A placeholder lies below all other values of its column by at least this number of ranges of these values."""


class WithoutPlaceholders:
    """Reads blocks of activity and replaces placeholders for missing values by NaN.

    Attributes
    ----------
    n_replaced : number of values that were replaced so far.
    """

    def __init__(self, read: Callable[[int, int], np.ndarray]) -> None:
        self._read = read
        self.n_replaced = 0

    def __call__(self, first: int, last: int) -> np.ndarray:
        """(sample, column) values of a block of samples."""
        block = np.asarray(self._read(first, last), dtype=float)
        replaced, count = without_placeholders(block)
        self.n_replaced += count
        return replaced

    @property
    def notes(self) -> list[str]:
        """Return a sentence on the values that were replaced."""
        if not self.n_replaced:
            return []
        return [f"{self.n_replaced} values of the activity are a placeholder such as -999 and are missing (NaN)."]


def without_placeholders(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Replace placeholders for missing values by NaN, and count them.

    Parameters
    ----------
    values : (..., column) activity.

    Returns
    -------
    (..., column) values with NaN, and the number of values that became NaN.
    """
    wrong = np.isin(values, PLACEHOLDERS)
    if not wrong.any():
        return values, 0
    columns = tuple(range(values.ndim - 1))
    rest = np.isfinite(values) & ~wrong
    low = np.where(rest, values, np.inf).min(axis=columns)
    high = np.where(rest, values, -np.inf).max(axis=columns)
    far = np.isfinite(low) & (low - PLACEHOLDERS[0] > MIN_RANGES_APART * (high - low))
    wrong &= far
    return np.where(wrong, np.nan, values), int(wrong.sum())
