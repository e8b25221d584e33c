"""The choice of the units that are fitted, with the reason for each unit that is left out."""

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
MAX_REASONS_LISTED = 6
"""Up to this number of reasons are listed when no unit is kept."""
MANY_SMALL_REGIONS = 3
"""With this number of regions that are too small, merging them is advised."""
MAX_REASON_LENGTH = 120
"""Largest number of characters of a reason in a message."""
MAX_BINS_LOST = 0.25
"""Largest share of the recorded bins that may be lost because kept units have missing values in them."""


class Selection(NamedTuple):
    """Which units of a file are kept, and why the other units are left out.

    Attributes
    ----------
    reasons : (unit,) why a unit is left out; '' for a kept unit.
    mean_rate_hz : (unit,) mean rate in the training trials in Hz; NaN unless the activity is spikes.
    """

    reasons: Array
    mean_rate_hz: Array

    @property
    def kept(self) -> Array:
        """Return the indices (kept unit,) of the kept units among the units of the file."""
        return np.flatnonzero(self.reasons == "")


def candidate_units(units: pd.DataFrame, where: str) -> Array:
    """Return the units that neither the file nor the settings exclude, before any activity is read.

    Parameters
    ----------
    units : the units of the file, with the column ``reason``.
    where : the recording, for messages.

    Returns
    -------
    (candidate,) indices among the units of the file.

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
    train : (trial,) bool, True for training trials.
    settings : settings on units, such as the lowest mean rate and the smallest number of units in a region.
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
    still = reasons[candidates] == ""
    reasons[candidates[still]] = reasons_of_holes(activity.rates[:, :, still])
    small = small_regions(units["region"].tolist(), reasons == "", settings)
    reasons = np.where(small != "", small, reasons)
    require_units(reasons.tolist(), where)
    return Selection(reasons, mean_rate_hz)


def mean_rates(rate_of_trial_hz: Array, rates: Array) -> Array:
    """Compute the mean rate of each unit over trials, weighting each trial by the bins in which the unit was observed.

    Parameters
    ----------
    rate_of_trial_hz : (trial, unit) mean rates in Hz.
    rates : (trial, time, unit) rates, NaN where missing.

    Returns
    -------
    (unit,) mean rates in Hz; NaN for a unit that was never observed.
    """
    bins = np.isfinite(rates).sum(axis=1)
    n_bins = bins.sum(axis=0)
    total = np.where(bins > 0, rate_of_trial_hz * bins, 0.0).sum(axis=0)
    return np.where(n_bins > 0, total / np.maximum(n_bins, 1), np.nan)


def reasons_of(rates: Array, train: Array, mean_rate_hz: Array, settings: Units) -> Array:
    """Return for each unit why its activity cannot be fitted, or '' if it can be fitted.

    Parameters
    ----------
    rates : (trial, time, unit) rates, NaN where missing.
    train : (trial,) bool, True for training trials.
    mean_rate_hz : (unit,) mean rates in Hz; NaN unless the activity is spikes.
    settings : lowest mean rate, and largest share of missing bins.

    Returns
    -------
    (unit,) reasons.
    """
    n_units = rates.shape[2]
    reasons = np.full(n_units, "", dtype=object)
    finite = np.isfinite(rates)
    n_finite = finite.sum(axis=(0, 1))
    low = np.where(finite, rates, np.inf).min(axis=(0, 1))
    high = np.where(finite, rates, -np.inf).max(axis=(0, 1))
    train_low = np.where(finite[train], rates[train], np.inf).min(axis=(0, 1))
    train_high = np.where(finite[train], rates[train], -np.inf).max(axis=(0, 1))
    recorded = recorded_bins(finite)
    holes = (recorded[:, :, None] & ~finite).sum(axis=(0, 1))
    too_many = holes > settings.max_missing * recorded.sum()
    rules = (
        (n_finite == 0, "no finite value (NaN everywhere)"),
        (mean_rate_hz < settings.min_rate_hz, f"mean rate below {settings.min_rate_hz:g} Hz"),
        (high == low, "constant"),
        (train_high <= train_low, "constant in the training trials"),
        (
            too_many,
            "missing (NaN) in bins where other units were recorded",
        ),
    )
    for applies, reason in rules:
        reasons[applies & (reasons == "")] = reason
    return reasons


def recorded_bins(finite: Array) -> Array:
    """Find the bins in which at least half of the units have a value.

    Units without any value in ``finite`` are not counted.

    Parameters
    ----------
    finite : (trial, time, unit) bool, True where a unit has a value.

    Returns
    -------
    (trial, time) bool, True for bins in which at least half of the units have a value.
    """
    with_data = int(finite.any(axis=(0, 1)).sum())
    return np.asarray(2 * finite.sum(axis=2) >= max(with_data, 1))


def reasons_of_holes(rates: Array) -> Array:
    """Leave out units whose missing bins would cost too many bins of the recording.

    A bin can be used only if all kept units have a value in it. Units are kept in order of increasing number of missing
    bins, as long as at most `MAX_BINS_LOST` of the recorded bins are lost.

    Parameters
    ----------
    rates : (trial, time, unit) rates of the units that passed all other rules, NaN where missing.

    Returns
    -------
    (unit,) why a unit is left out; '' for a kept unit.
    """
    finite = np.isfinite(rates)
    reasons = np.full(rates.shape[2], "", dtype=object)
    recorded = recorded_bins(finite)
    holes = recorded[:, :, None] & ~finite
    n_holes = holes.sum(axis=(0, 1))
    most = MAX_BINS_LOST * recorded.sum()
    lost = np.zeros_like(recorded)
    for unit in np.argsort(n_holes, kind="stable"):
        together = lost | holes[:, :, unit]
        if together.sum() > most:
            reasons[unit] = "missing (NaN) in bins where other units were recorded; with it, too few bins would be left"
            continue
        lost = together
    return reasons


def small_regions(regions: Sequence[str], kept: Array, settings: Units) -> Array:
    """Leave out the kept units of regions with too few kept units.

    Parameters
    ----------
    regions : (unit,) region of each unit.
    kept : (unit,) bool, True for units that passed all other rules.
    settings : smallest number of units in a region.

    Returns
    -------
    (unit,) why a unit is left out by this rule; '' for all other units.
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
    """Raise an error if no unit is kept.

    Parameters
    ----------
    reasons : (unit,) why each unit is left out; '' for a kept unit.
    where : the recording, for messages.

    Raises
    ------
    UserError : no unit is kept; the message gives the number of units that were left out for each reason.
    """
    if not len(reasons):
        raise UserError.at(
            f"{where}: units",
            found="no units in the file",
            expected="spikes, ROI responses or a table of activity",
            todo="look at what the file holds (curbd inspect)",
        )
    if all(reasons):
        counts = Counter(reasons).most_common()
        lost = "; ".join(f"{count} {shortened(reason)}" for reason, count in counts[:MAX_REASONS_LISTED])
        if len(counts) > MAX_REASONS_LISTED:
            n_others = sum(count for _, count in counts[MAX_REASONS_LISTED:])
            lost += f"; {n_others} for {len(counts) - MAX_REASONS_LISTED} other reasons"
        raise UserError.at(
            f"{where}: units",
            found=f"none of {len(reasons)} kept ({lost})",
            expected="at least one unit to fit",
            todo=f"look at the units (curbd inspect), then change {_settings_behind(reasons)}",
        )


def shortened(text: str) -> str:
    """Shorten a reason to one line by leaving out the middle of a long text."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_REASON_LENGTH else f"{line[: MAX_REASON_LENGTH // 2]} ... {line[-20:]}"


def _settings_behind(reasons: Sequence[str]) -> str:
    """Names of the settings that leave units out for the given reasons."""
    settings = {
        "missing (NaN)": "units.max_missing",
        "mean rate below": "units.min_rate_hz",
        "fewer than": "units.min_per_region",
        "no region label": "regions.unknown",
        " is ": "units.select",
    }
    if len({reason for reason in reasons if "fewer than" in reason}) >= MANY_SMALL_REGIONS:
        settings["fewer than"] += ", or merge regions (regions.merge, regions.pattern, or regions.atlas for layers)"
    named = [key for words, key in settings.items() if any(words in reason for reason in reasons)]
    return ", ".join(named) or "the windows"
