"""Which units are part of the fit, and why the others are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from curbd.errors import UserError
from curbd.settings.recording import Units


def mean_rates(of_trials: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Mean rate of each unit, trials weighted by the bins in which it was observed.

    Parameters
    ----------
    of_trials : (trial, unit) mean rates, Hz.
    rates : (trial, time, unit), NaN where missing.

    Returns
    -------
    (unit,) NaN where it never was.
    """
    bins = np.isfinite(rates).sum(axis=1)
    n_bins = bins.sum(axis=0)
    total = np.where(bins > 0, of_trials * bins, 0.0).sum(axis=0)
    mean: np.ndarray = np.where(n_bins > 0, total / np.maximum(n_bins, 1), np.nan)
    return mean


def reasons_of(rates: np.ndarray, train: np.ndarray, mean_rate_hz: np.ndarray, settings: Units) -> np.ndarray:
    """Why each unit's activity cannot be fitted, empty for a unit that can.

    Parameters
    ----------
    rates : (trial, time, unit), NaN where missing.
    train : (trial,) which trials are for training.
    mean_rate_hz : (unit,) NaN unless the activity is spikes.
    settings : the lowest rate.

    Returns
    -------
    (unit,) text.
    """
    n_units = rates.shape[2]
    reasons = np.full(n_units, "", dtype=object)
    finite = np.isfinite(rates)
    n_finite = finite.sum(axis=(0, 1))
    low = np.where(finite, rates, np.inf).min(axis=(0, 1))
    high = np.where(finite, rates, -np.inf).max(axis=(0, 1))
    train_low = np.where(finite[train], rates[train], np.inf).min(axis=(0, 1))
    train_high = np.where(finite[train], rates[train], -np.inf).max(axis=(0, 1))
    # A bin belongs to the recording when half of the units with any data have it.
    recorded = 2 * finite.sum(axis=2) >= max(int((n_finite > 0).sum()), 1)
    holes = (recorded[:, :, None] & ~finite).sum(axis=(0, 1))
    rules = (
        (n_finite == 0, "no finite value (NaN everywhere)"),
        (mean_rate_hz < settings.min_rate_hz, f"mean rate below {settings.min_rate_hz:g} Hz"),
        (high == low, "constant"),
        (train_high <= train_low, "constant in the training trials"),
        (holes > 0, "missing (NaN) in bins where other units were recorded"),
    )
    for applies, reason in rules:
        reasons[applies & (reasons == "")] = reason
    return reasons


def small_regions(regions: Sequence[str], kept: np.ndarray, settings: Units) -> np.ndarray:
    """(unit,) reason for the kept units of regions that have too few of them, empty for all others."""
    counts = Counter(region for region, keep in zip(regions, kept, strict=True) if keep)
    least = settings.min_per_region
    return np.array(
        [
            f"fewer than {least} units kept in region {region}" if keep and counts[region] < least else ""
            for region, keep in zip(regions, kept, strict=True)
        ],
        dtype=object,
    )


def require_units(reasons: Sequence[str], path: str) -> None:
    """Stop when no unit is kept.

    Raises
    ------
    UserError : how many units were lost to each reason.
    """
    if not len(reasons):
        raise UserError.at(f"{path}: units", found="no unit", expected="spikes, ROI responses or a table of activity")
    if all(reasons):
        lost = "; ".join(f"{count} {reason}" for reason, count in Counter(reasons).most_common())
        raise UserError.at(
            f"{path}: units",
            found=f"none of {len(reasons)} kept ({lost})",
            expected="at least one unit to fit",
            todo="look at the units (curbd inspect), then loosen the settings units and regions",
        )
