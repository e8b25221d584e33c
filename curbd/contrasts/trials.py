"""The trials that a contrast or a change compares: their levels, the trials that are alike, and permuted labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr

from curbd.errors import UserError, did_you_mean
from curbd.recording.cells import cell_text
from curbd.settings.contrasts import Levels

Array = np.ndarray
MAX_LEVELS = 8
"""Largest number of levels of a contrast whose settings name no levels, and of the values of a matched column that are
not divided at their quartiles."""
MIN_LEVEL_TRIALS = 5
"""Smallest number of trials of a level."""


@dataclass(frozen=True)
class Comparison:
    """The trials of two levels, and the weights with which each trial enters the mean of its level.

    A stratum is a set of trials that are alike in all matched columns and belong to the same block of the session. The
    difference between the levels is the mean of the differences within the strata, in which a stratum with n_a and n_b
    trials of the levels has the weight n_a n_b / (n_a + n_b).

    Attributes
    ----------
    level_a, level_b : names of the levels; differences are those of level_a minus level_b.
    trials : (compared trial,) indices of the trials, in the order of the session.
    is_a : (compared trial,) bool, True for trials of level_a.
    stratum : (compared trial,) index of the stratum.
    """

    level_a: str
    level_b: str
    trials: Array
    is_a: Array
    stratum: Array

    def weights(self, is_a: Array) -> tuple[Array, Array]:
        """Compute the weights of all trials in the means of the two levels.

        Parameters
        ----------
        is_a : (..., compared trial) bool labels, with as many True in every stratum as the labels of the comparison.

        Returns
        -------
        Weights (..., compared trial) in the mean of level_a and of level_b. Both sum to 1.
        """
        n_a = np.bincount(self.stratum, self.is_a)
        n_b = np.bincount(self.stratum, ~self.is_a)
        of_stratum = n_a * n_b / (n_a + n_b)
        of_stratum = of_stratum / of_stratum.sum()
        return is_a * (of_stratum / n_a)[self.stratum], ~is_a * (of_stratum / n_b)[self.stratum]

    def permuted(self, contrast: Levels) -> Array:
        """Draw labels (permutation, compared trial) of the null; the first row holds the labels of the comparison."""
        rng = np.random.default_rng(contrast.seed)
        n_trials = len(self.is_a)
        if contrast.null == "shifted":
            n_shifts = min(contrast.permutations, n_trials - 1)
            shifts = rng.permutation(np.arange(1, n_trials))[:n_shifts]
            return np.stack([self.is_a, *(np.roll(self.is_a, shift) for shift in shifts)])
        # Within a stratum, the trials in random order receive the labels of the stratum.
        order = np.argsort(rng.random((contrast.permutations, n_trials)) + self.stratum, axis=1)
        labels = np.empty(order.shape, dtype=bool)
        np.put_along_axis(labels, order, self.is_a[np.argsort(self.stratum, kind="stable")][None], axis=1)
        return np.concatenate([self.is_a[None], labels])

    def centred(self, values: Array) -> Array:
        """Subtract the mean of every stratum from values (compared trial, ...); NaN stays NaN."""
        result = np.empty_like(values)
        for stratum in np.unique(self.stratum):
            chosen = self.stratum == stratum
            count = np.isfinite(values[chosen]).sum(0)
            result[chosen] = values[chosen] - np.nansum(values[chosen], axis=0) / np.maximum(count, 1)
        return result


def comparisons(recording: xr.Dataset, key: str, contrast: Levels) -> list[Comparison]:
    """Choose the trials of every pair of levels of a contrast or of a change.

    Parameters
    ----------
    recording : the recording, with its trial columns and inputs.
    key : key of the config, such as ``contrasts.reward``, for messages.
    contrast : the settings of the contrast or of the change.

    Returns
    -------
    One comparison for each pair of levels.

    Raises
    ------
    UserError : the recording lacks a column or a level, or a level has too few trials.
    """
    where = f"{key}, recording {recording.attrs['recording']}"
    cells = trial_column(recording, contrast.column, f"{where}, column")
    texts = np.array([cell_text(cell) for cell in cells])
    levels = _levels(contrast, cells, texts, where)
    groups = [_groups(covariate(recording, column, f"{where}, matched")) for column in contrast.matched]
    pairs = [_comparison(pair, texts, groups, _order(recording), contrast, where) for pair in combinations(levels, 2)]
    return pairs


def _advice_on_levels(texts: Array) -> str:
    """The levels that can be compared, where a column has other levels with too few trials."""
    values, counts = np.unique(texts[texts != ""].astype(str), return_counts=True)
    enough = [str(value) for value in values[counts >= MIN_LEVEL_TRIALS]]
    if len(enough) < 2:
        return "compare a column whose levels have more trials"
    return f"name the levels that are compared, as in levels: [{', '.join(enough)}]"


def trial_column(recording: xr.Dataset, column: str, where: str) -> Array:
    """Return a trial column (trial,) of a recording.

    Raises
    ------
    UserError : the recording has no such column.
    """
    columns = [str(name) for name, values in recording.coords.items() if values.dims == ("trial",)]
    for known in (f"trial_{column}", column):
        # A column of the file with the name of a coordinate of the recording has the prefix.
        if known in columns:
            values = np.asarray(recording[known].values)
            return values if values.dtype.kind in "biuf" else np.array([cell_text(value) for value in values])
    raise UserError.at(
        where,
        found=f'"{column}"',
        expected=f"a trial column: {', '.join(columns)}",
        todo=did_you_mean(column, columns),
    )


def covariate(recording: xr.Dataset, name: str, where: str) -> Array:
    """Return a trial column (trial,), or the mean of an input over every trial.

    Raises
    ------
    UserError : the recording has neither a trial column nor an input of this name.
    """
    inputs = recording["input"].values.astype(str)
    if name in inputs:
        inside = np.isfinite(recording["rates"].transpose("trial", "time", "unit").values).all(2)
        values = recording["inputs"].transpose("trial", "time", "input").values[..., inputs == name][..., 0]
        return (values * inside).sum(1) / np.maximum(inside.sum(1), 1)
    return trial_column(recording, name, where)


def _levels(contrast: Levels, cells: Array, texts: Array, where: str) -> list[str]:
    """Names of the compared levels, in the order of the differences."""
    present = [str(text) for text in dict.fromkeys(texts[np.argsort(cells, kind="stable")]) if text]
    if cells.dtype.kind in "biuf":
        present = present[::-1]
    if contrast.levels:
        wanted = [cell_text(level) for level in contrast.levels]
        absent = [level for level in wanted if level not in present]
        if absent:
            raise UserError.at(
                f"{where}, levels",
                found=", ".join(absent),
                expected=f"values of {contrast.column}: {', '.join(present[:20])}",
                todo=did_you_mean(absent[0], present),
            )
        return wanted
    if not 2 <= len(present) <= MAX_LEVELS:
        raise UserError.at(
            f"{where}, column",
            found=f"{contrast.column} with {len(present)} different values",
            expected=f"2 to {MAX_LEVELS}",
            todo="name the values to be compared in `levels`" if len(present) > MAX_LEVELS else "",
        )
    return present


def _groups(values: Array) -> Array:
    """Name of the group (trial,) of every trial in a matched column; '' if the value is missing."""
    texts = np.array([cell_text(value) for value in values])
    if values.dtype.kind in "iuf" and len(np.unique(texts[texts != ""])) > MAX_LEVELS:
        finite = np.isfinite(values.astype(float))
        quartile = np.searchsorted(np.quantile(values[finite], [0.25, 0.5, 0.75]), values)
        return np.where(finite, quartile.astype(str), "")
    return texts


def _order(recording: xr.Dataset) -> Array:
    """Indices of all trials in the order of the session."""
    if "start_s" not in recording:
        return np.arange(recording.sizes["trial"])
    start_s = np.asarray(recording["start_s"].values, dtype=float)
    return np.argsort(start_s, kind="stable") if np.isfinite(start_s).all() else np.arange(len(start_s))


def _comparison(
    pair: tuple[str, str], texts: Array, groups: Sequence[Array], order: Array, contrast: Levels, where: str
) -> Comparison:
    known = np.isin(texts, pair) & np.all([group != "" for group in groups] or [np.ones(len(texts), bool)], axis=0)
    trials = order[known[order]]
    block = np.arange(len(trials)) * contrast.blocks // max(len(trials), 1)
    labels: list[Any] = [block, *(group[trials] for group in groups)]
    _, stratum = np.unique(np.stack([label.astype(str) for label in labels], axis=1), axis=0, return_inverse=True)
    is_a = texts[trials] == pair[0]
    # A stratum in which one of the levels has no trial says nothing about their difference.
    both = np.isin(stratum, np.intersect1d(stratum[is_a], stratum[~is_a]))
    trials, is_a = trials[both], is_a[both]
    for level, n_trials in zip(pair, (int(is_a.sum()), int((~is_a).sum())), strict=True):
        if n_trials < MIN_LEVEL_TRIALS:
            alike = " that match trials of the other level" if contrast.matched or contrast.blocks > 1 else ""
            raise UserError.at(
                where,
                found=f"{n_trials} trials with {contrast.column}={level}{alike}",
                expected=f"at least {MIN_LEVEL_TRIALS}",
                todo=_advice_on_levels(texts),
            )
    stratum = np.unique(stratum[both], return_inverse=True)[1].ravel()
    return Comparison(level_a=pair[0], level_b=pair[1], trials=trials, is_a=is_a, stratum=stratum)
