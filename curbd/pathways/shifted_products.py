"""Products of activity with all regressors and currents after the activity was shifted in time, trial by trial.

The activity of every trial is shifted round the complete bins of the trial, by a random lag. Where many trials have the
same number of bins, every lag is as likely as any other, and the lag is the sum of a random lag of the trial and a
random lag that all trials have in common. The products for all common lags then follow from one cross-spectrum, at the
price of two direct products. In all other trials the lag is at least a tenth of the bins: of a few trials, a part might
otherwise stay where they were in all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.tensors import device
from curbd.pathways.current_regression import CurrentRegression
from curbd.regression.moments import block_slices

Array = np.ndarray
LEAST_TRIALS_OF_A_LENGTH = 8
"""Smallest number of trials of the same length for which products are computed from a cross-spectrum."""
MOST_DRAWS_OF_OWN_LAGS = 20
"""Largest number of draws that differ in the common lag alone; further draws have new lags of the trials as well."""
FREQUENCIES_AT_ONCE = 64
"""Number of frequencies whose cross-spectrum is in memory at the same time."""


class Draws(NamedTuple):
    """Draws of the products of shuffled activity, from one half of the transitions.

    Attributes
    ----------
    products : (draw, regressor and unit, column) products of regressors, then of currents, with the activity.
    squares : (draw, column, column) products of the activity with itself.
    """

    products: torch.Tensor
    squares: torch.Tensor


Stream = Callable[[int, Array], Draws]
"""Function that computes a number of further draws, with at least the given rows (regressor and unit,) of products."""


class EqualTrials:
    """Shifted trials that have the same number of complete bins.

    Parameters
    ----------
    regression : the regression of all currents on all sources, whose regressors and currents are multiplied with the
        activity.
    bins : (trial, bin) indices of the complete bins of these trials.
    trials : (trial,) indices of these trials.
    """

    def __init__(self, regression: CurrentRegression, bins: Array, trials: Array) -> None:
        self.trials, self.bins = trials[:, None], bins
        n_columns, length = regression.z.shape[2] + regression.y.shape[2], bins.shape[1]
        shape = length // 2 + 1, n_columns, len(trials)
        self.spectrum = torch.empty(shape, dtype=torch.complex64, device=device())
        for block in block_slices(len(trials), length * n_columns):
            values = regression.multiplied(self.trials[block], bins[block])
            self.spectrum[..., block] = torch.fft.rfft(values, dim=1).conj().permute(1, 2, 0)

    def stream(self, activity: torch.Tensor, rng: np.random.Generator) -> Stream:
        """Return a function that draws shifts of activity (trial, time, column)."""
        listed = activity[self.trials, self.bins]
        squares = square(listed.flatten(0, 1))
        given = torch.fft.rfft(listed, dim=1).transpose(0, 1)
        length = self.bins.shape[1]
        shape = self.spectrum.shape[1], activity.shape[2]

        def further(n_draws: int, rows: Array) -> Draws:
            products = []
            for start in range(0, n_draws, MOST_DRAWS_OF_OWN_LAGS):
                n_common = min(MOST_DRAWS_OF_OWN_LAGS, n_draws - start)
                own, common = rng.integers(length, size=len(self.trials)), rng.integers(length, size=n_common)
                products.append(self._turned(given, own, common).view(n_common, *shape))
            joined = products[0] if len(products) == 1 else torch.cat(products)
            return Draws(joined, squares.expand(n_draws, -1, -1))

        return further

    def _turned(self, given: torch.Tensor, own: Array, common: Array) -> torch.Tensor:
        """Compute the products (common lag, row column) of activity that is shifted by own and common lags.

        Parameters
        ----------
        given : (frequency, trial, column) spectrum of the activity.
        own : (trial,) lags of the trials, in bins.
        common : (draw,) lags that all trials have in common.
        """
        length = self.bins.shape[1]
        products = torch.zeros((len(common), self.spectrum.shape[1] * given.shape[2]), device=given.device)
        for start in range(0, len(given), FREQUENCIES_AT_ONCE):
            chosen = slice(start, start + FREQUENCIES_AT_ONCE)
            frequency = np.arange(len(given))[chosen]
            turned = given[chosen] * _phases(frequency, own, length, given)[..., None]
            crossed = (self.spectrum[chosen] @ turned).flatten(1)
            # All frequencies but the first and, in an even number of bins, the last stand for two.
            weight = np.where((frequency == 0) | (2 * frequency == length), 1.0, 2.0)
            turn = _phases(frequency, common, length, given) * torch.as_tensor(weight).to(given)[:, None]
            products += (turn.mT @ crossed).real
        return products / length


class UnequalTrials:
    """Shifted trials of any number of complete bins.

    Parameters
    ----------
    regression : the regression of all currents on all sources, whose regressors and currents are multiplied with the
        activity.
    half : (trial, time) bool, the transitions.
    trials : (trial,) indices of these trials.
    """

    def __init__(self, regression: CurrentRegression, half: Array, trials: Array) -> None:
        self.place = rows_of(half, trials)
        self.length = half[trials].sum(1)
        self.multiplied = regression.multiplied(*self.place).mT.contiguous()

    def stream(self, activity: torch.Tensor, rng: np.random.Generator) -> Stream:
        """Return a function that draws shifts of activity (trial, time, column)."""
        listed = activity[self.place]
        squares, length = square(listed), self.length
        start = np.cumsum(length) - length
        position = np.arange(length.sum()) - np.repeat(start, length)
        trial = np.repeat(np.arange(len(length)), length)

        def further(n_draws: int, rows: Array) -> Draws:
            least, most = least_and_most_lag(length)
            lag = rng.integers(least, most + 1, size=(n_draws, len(length)))
            donor = start[trial] + (position - lag[:, trial]) % length[trial]
            # (row, draw, column): one matrix product serves all draws.
            moved = listed[torch.as_tensor(donor.T, device=listed.device)].flatten(1)
            needed = torch.as_tensor(np.flatnonzero(rows), device=moved.device)
            products = moved.new_zeros((n_draws, len(rows), activity.shape[2]))
            products[:, needed] = (self.multiplied[needed] @ moved).unflatten(1, (n_draws, -1)).transpose(0, 1)
            return Draws(products, squares.expand(n_draws, -1, -1))

        return further


def shifted_trials(regression: CurrentRegression, half: Array, trials: Array) -> list[EqualTrials | UnequalTrials]:
    """Group trials by their number of complete bins; small groups are joined to one group of unequal trials.

    Parameters
    ----------
    regression : the regression of all currents on all sources, whose regressors and currents are multiplied with the
        activity.
    half : (trial, time) bool, the transitions.
    trials : (trial,) indices of the trials whose activity is shifted.
    """
    length = half[trials].sum(1)
    groups: list[EqualTrials | UnequalTrials] = []
    others = np.ones(len(trials), dtype=bool)
    for n_bins in np.unique(length[length > 0]):
        equal = length == n_bins
        if equal.sum() >= LEAST_TRIALS_OF_A_LENGTH:
            bins = np.nonzero(half[trials[equal]])[1].reshape(-1, n_bins)
            groups.append(EqualTrials(regression, bins, trials[equal]))
            others[equal] = False
    return [*groups, UnequalTrials(regression, half, trials[others])] if length[others].any() else groups


def least_and_most_lag(length: Array) -> tuple[Array, Array]:
    """Return the smallest and the largest lag, in bins, of shifts round trials of some lengths (trial,)."""
    least = length // 10
    return least, np.maximum(length - least - 1, least)


def square(values: torch.Tensor) -> torch.Tensor:
    """Sum products of values (row, column) over rows: (column, column)."""
    return values.mT @ values


def rows_of(half: Array, trials: Array) -> tuple[Array, Array]:
    """List the transitions of some trials as indices of trial and time."""
    chosen = np.zeros_like(half)
    chosen[trials] = True
    trial, time = np.nonzero(half & chosen)
    return trial, time


def _phases(frequency: Array, lag: Array, length: int, like: torch.Tensor) -> torch.Tensor:
    """Compute the factors (frequency, lag) by which a shift multiplies a spectrum of so many bins."""
    turns = np.outer(frequency, lag) % length / length
    return torch.as_tensor(np.exp(-2j * np.pi * turns), device=like.device).to(like.dtype)
