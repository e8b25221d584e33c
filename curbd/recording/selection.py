"""Which units are part of the fit, and why the others are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from curbd.errors import UserError
from curbd.recording.activity import Activity
from curbd.settings.recording import Units

Array = np.ndarray


class Selection(NamedTuple):
    """The units of a file, kept or not.

    Attributes
    ----------
    reasons : (unit,) why a unit is left out, as text; empty for a kept unit.
    mean_rate_hz : (unit,) mean rate in the training trials in Hz; NaN unless the activity is spikes.
    """

    reasons: Array
    mean_rate_hz: Array

    @property
    def kept(self) -> Array:
        """(kept unit,) indices among the units of the file."""
        return np.flatnonzero(self.reasons == "")


def candidate_units(units: pd.DataFrame, where: str) -> Array:
    """(candidate,) indices of the units that neither the file nor the settings exclude before any activity is read.

    Parameters
    ----------
    units : the units of the file, with the column ``reason``.
    where : the recording, for messages.

    Raises
    ------
    UserError : there is no such unit.
    """
    reasons = units["reason"].to_numpy(dtype=object)
    require_units(reasons.tolist(), where)
    return np.flatnonzero(reasons == "")


def select_units(
    units: pd.DataFrame, candidates: Array, activity: Activity, train: Array, settings: Units, where: str
) -> Selection:
    """Choose the units to fit by their activity and by the size of their regions.

    Parameters
    ----------
    units : the units of the file, with the columns ``region`` and ``reason``.
    candidates : (candidate,) indices of the units whose activity was read.
    activity : activity of the candidates.
    train : (trial,) whether a trial is for training.
    settings : lowest mean rate, and fewest units of a region.
    where : the recording, for messages.

    Returns
    -------
    Reasons and mean rates of all units of the file.

    Raises
    ------
    UserError : no unit is kept.
    """
    reasons = units["reason"].to_numpy(dtype=object).copy()
    mean_rate_hz = np.full(len(units), np.nan)
    mean_rate_hz[candidates] = mean_rates(activity.mean_rate_hz[train], activity.rates[train])
    reasons[candidates] = reasons_of(activity.rates, train, mean_rate_hz[candidates], settings)
    small = small_regions(units["region"].tolist(), reasons == "", settings)
    reasons = np.where(small != "", small, reasons)
    require_units(reasons.tolist(), where)
    return Selection(reasons, mean_rate_hz)


def mean_rates(rate_of_trial_hz: Array, rates: Array) -> Array:
    """Mean rate of each unit over trials, each trial weighted by the bins in which the unit was observed.

    Parameters
    ----------
    rate_of_trial_hz : (trial, unit) mean rates in Hz.
    rates : (trial, time, unit), NaN where missing.

    Returns
    -------
    (unit,) in Hz; NaN for a unit that was never observed.
    """
    bins = np.isfinite(rates).sum(axis=1)
    n_bins = bins.sum(axis=0)
    total = np.where(bins > 0, rate_of_trial_hz * bins, 0.0).sum(axis=0)
    return np.where(n_bins > 0, total / np.maximum(n_bins, 1), np.nan)


def reasons_of(rates: Array, train: Array, mean_rate_hz: Array, settings: Units) -> Array:
    """Why the activity of each unit cannot be fitted; empty for a unit whose activity can.

    Parameters
    ----------
    rates : (trial, time, unit), NaN where missing.
    train : (trial,) whether a trial is for training.
    mean_rate_hz : (unit,) in Hz; NaN unless the activity is spikes.
    settings : lowest mean rate.

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
    # A bin counts as recorded when at least half of the units with any data have a value in it.
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


def small_regions(regions: Sequence[str], kept: Array, settings: Units) -> Array:
    """(unit,) reason for the kept units of regions with too few kept units; empty for all other units.

    Parameters
    ----------
    regions : (unit,) region of each unit.
    kept : (unit,) whether a unit passed all other rules.
    settings : fewest units of a region.
    """
    counts = Counter(region for region, keep in zip(regions, kept, strict=True) if keep)
    fewest = settings.min_per_region
    return np.array(
        [
            f"fewer than {fewest} units kept in region {region}" if keep and counts[region] < fewest else ""
            for region, keep in zip(regions, kept, strict=True)
        ],
        dtype=object,
    )


def require_units(reasons: Sequence[str], where: str) -> None:
    """Stop when no unit is kept.

    Parameters
    ----------
    reasons : (unit,) why each unit is left out; empty for a kept unit.
    where : the recording, for messages.

    Raises
    ------
    UserError : how many units were left out for each reason.
    """
    if not len(reasons):
        raise UserError.at(f"{where}: units", found="no unit", expected="spikes, ROI responses or a table of activity")
    if all(reasons):
        lost = "; ".join(f"{count} {reason}" for reason, count in Counter(reasons).most_common())
        raise UserError.at(
            f"{where}: units",
            found=f"none of {len(reasons)} kept ({lost})",
            expected="at least one unit to fit",
            todo="look at the units (curbd inspect), then loosen the settings units and regions",
        )
