"""Missing values of inputs in bins with activity: short holes are interpolated, all others are a mistake."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from curbd.errors import UserError
from curbd.recording.binning import ROUNDING_BINS

MAX_HOLE_S = 0.5
"""Inputs are interpolated over holes of up to this time, such as blinks."""
MAX_HOLE_BINS = 2
"""Inputs are interpolated over holes of up to this number of bins, however wide."""


def over_holes(values: np.ndarray, observed: np.ndarray, dt_s: float) -> tuple[np.ndarray, int]:
    """Interpolate inputs over short holes, such as the blinks of a pupil, and count the bins.

    A hole is interpolated linearly in time from the bins before and after; at the start or end of a trial, the nearest
    value is held. Longer holes are left as they are.

    Parameters
    ----------
    values : (trial, time, input), NaN where missing.
    observed : (trial, time) bool, True for bins with activity.
    dt_s : bin width in seconds.

    Returns
    -------
    The inputs; the number of bins with activity that were interpolated in any input.
    """
    longest = max(MAX_HOLE_BINS, int(MAX_HOLE_S / dt_s + ROUNDING_BINS))
    filled = values.copy()
    for trial, column in zip(*np.nonzero((np.isnan(values) & observed[:, :, None]).any(axis=1)), strict=True):
        wanted = np.flatnonzero(observed[trial])
        series = values[trial, wanted, column]
        missing = np.isnan(series)
        if missing.all():
            continue
        # Every run of missing bins, from its first bin to the bin after its last.
        first, last = np.flatnonzero(np.diff(np.r_[False, missing, False].astype(int))).reshape(-1, 2).T
        short = np.repeat(last - first <= longest, last - first)
        bins = np.flatnonzero(missing)[short]
        filled[trial, wanted[bins], column] = np.interp(bins, np.flatnonzero(~missing), series[~missing])
    replaced = np.isnan(values) & np.isfinite(filled)
    return filled, int((replaced.any(axis=2) & observed).sum())


def notes_on_holes(what: str, n_filled: int, observed: np.ndarray) -> list[str]:
    """Return a sentence on interpolated bins, if there are any.

    Parameters
    ----------
    what : the inputs, for the sentence.
    n_filled : number of bins that were interpolated.
    observed : (trial, time) bool, True for bins with activity.
    """
    if not n_filled:
        return []
    total = int(observed.sum())
    return [
        f"{what}: {n_filled} of {total} bins have no value; these holes are short ({MAX_HOLE_S:g} s or less) and are"
        " interpolated."
    ]


def require_known(values: np.ndarray, observed: np.ndarray, names: Sequence[str], where: str, todo: str) -> None:
    """Raise an error if an input is missing in a bin with activity.

    Parameters
    ----------
    values : (trial, time, input), NaN where missing.
    observed : (trial, time) bool, True for bins with activity.
    names : (input,) names of the inputs.
    where : the setting or the series, for messages.
    todo : what the user can do.

    Raises
    ------
    UserError : an input is missing; the message names the input with the most missing bins.
    """
    missing = (~np.isfinite(values) & observed[:, :, None]).sum(axis=(0, 1))
    if missing.any():
        raise UserError.at(
            where,
            found=f"no value of {names[int(missing.argmax())]} in {int(missing.max())} of {int(observed.sum())} bins",
            expected="a value in every bin with activity",
            todo=todo,
        )
