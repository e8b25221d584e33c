"""Products of activity with all regressors and currents after the activity was exchanged between trials or shifted.

Exchanges between trials are drawn many at a time. The trials of a group are put into a random order, and the activity
of every trial is given to the trial k places further on. For every k this is a random exchange. The products of all k
are a cross-correlation over trials, which the fast Fourier transform computes at the price of two direct products,
however many trials there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np
import torch

from curbd.network.tensors import device
from curbd.pathways.changed_source import Products
from curbd.pathways.current_regression import CurrentRegression
from curbd.pathways.shifted_products import Draws, Stream, rows_of, shifted_trials, square
from curbd.regression.moments import block_slices

Array = np.ndarray
TRIALS_OF_A_BLOCK = (20, 160)
"""Smallest and largest limit of the number of trials between which activity is exchanged; larger groups are split at
random."""
VALUES_OF_ARRANGEMENT = 1 << 26
"""Largest number of products of one arrangement of trials, by which the limit is lowered."""


class Half:
    """The transitions of one half (fitted or held out) and what is multiplied with the activity of a source there.

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    half : (trial, time) bool, the transitions.
    exchanged : groups of trials (trial,) between which activity is exchanged.
    shifted : (trial,) trials in which activity is shifted in time.
    kept : (trial,) trials in which activity stays as it is.
    """

    def __init__(
        self,
        regression: CurrentRegression,
        half: Array,
        *,
        exchanged: Sequence[Array],
        shifted: Array,
        kept: Array,
    ) -> None:
        self.half = half
        self.n_regressors = regression.z.shape[2]
        self.n_rows = self.n_regressors + regression.y.shape[2]
        self.exchanged = list(exchanged)
        self.kept = rows_of(half, kept)
        self.kept_multiplied = regression.multiplied(*self.kept)
        self.shifted = shifted_trials(regression, half, shifted)
        fewest, most = TRIALS_OF_A_BLOCK
        products_of_draw = self.n_rows * max(len(columns) for columns in regression.sources)
        self.blocks = _blocks(exchanged, max(fewest, min(most, VALUES_OF_ARRANGEMENT // products_of_draw)))
        self.spectra = {size: _spectrum(regression, trials) for size, trials in self.blocks.items()}

    def shuffles(self, activity: torch.Tensor, rng: np.random.Generator) -> Callable[[int, Array], Products]:
        """Return a function that computes the products of a number of further shuffles of activity.

        The function takes the number of shuffles, and the units (unit,) bool whose currents are needed; products with
        the currents of other units may be 0.

        Parameters
        ----------
        activity : (trial, time, column) activity of a source, single precision, 0 where missing.
        rng : random generator of the shuffles.
        """
        streams = [self._exchanged(activity, size, rng) for size in self.blocks]
        streams += [group.stream(activity, rng) for group in self.shifted]
        if len(self.kept[0]):
            streams.append(self._kept(activity))
        if not streams:
            nothing = torch.zeros(self.n_rows, activity.shape[2], device=activity.device)
            squares = square(activity[:0, 0])
            streams.append(lambda n, rows: Draws(nothing.expand(n, -1, -1), squares.expand(n, -1, -1)))

        def further(n_draws: int, units: Array) -> Products:
            rows = np.append(np.ones(self.n_regressors, dtype=bool), units)
            parts = [stream(n_draws, rows) for stream in streams]
            return self._named(Draws(*(reduce(torch.add, field) for field in zip(*parts, strict=True))))

        return further

    def _named(self, draws: Draws) -> Products:
        return Products(
            ZR=draws.products[:, : self.n_regressors], YR=draws.products[:, self.n_regressors :], RR=draws.squares
        )

    def _exchanged(self, activity: torch.Tensor, size: int, rng: np.random.Generator) -> Stream:
        """Return a function that draws exchanges between the trials of all blocks of one size."""
        trials, spectrum = self.blocks[size], self.spectra[size]
        total = square(activity[trials].flatten(0, 2))
        missing = np.nonzero(~self.half[trials].reshape(*trials.shape, -1))
        ready: list[Draws] = []

        def arranged() -> Draws:
            """One random order of the trials of every block, and all rotations of this order."""
            order = rng.permuted(trials, axis=0)
            given = torch.fft.rfft(activity[order].flatten(1, 2), dim=0)
            products = torch.fft.irfft(spectrum @ given, n=size, dim=0)
            squares = total.expand(size, -1, -1)
            if len(missing[0]):
                place, block, time = missing
                donors = [order[(place + rotation) % size, block] for rotation in range(size)]
                squares = torch.stack([total - square(activity[donor, time]) for donor in donors])
            return Draws(products, squares)

        def further(n_draws: int, rows: Array) -> Draws:
            while sum(len(draws.squares) for draws in ready) < n_draws:
                ready.append(arranged())
            # Most calls take the first draws of a single arrangement: only these are copied.
            joined = ready[0] if len(ready) == 1 else Draws(*(torch.cat(field) for field in zip(*ready, strict=True)))
            ready[:] = [Draws(*(field[n_draws:] for field in joined))]
            return Draws(joined.products[:n_draws].contiguous(), joined.squares[:n_draws])

        return further

    def _kept(self, activity: torch.Tensor) -> Stream:
        """Return a function that repeats the products of activity that is not shuffled."""
        products = self.kept_multiplied.mT @ activity[self.kept]
        squares = square(activity[self.kept])
        return lambda n_draws, rows: Draws(products.expand(n_draws, -1, -1), squares.expand(n_draws, -1, -1))


def halves_of_products(
    regression: CurrentRegression, *, least_trials: int | None, shift_others: bool
) -> tuple[Half, Half]:
    """Prepare the products of the fitted and of the held-out transitions for shuffles of the activity of sources.

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    least_trials : smallest number of trials of a half and condition between which activity is exchanged; None to
        exchange no trials.
    shift_others : whether the activity of all other trials is shifted in time, or stays as it is.
    """
    prepared = []
    for half, chosen in zip(regression.halves, (regression.train, ~regression.train), strict=True):
        groups = [np.flatnonzero(chosen & (regression.condition == name)) for name in np.unique(regression.condition)]
        exchanged = [] if least_trials is None else [group for group in groups if len(group) >= least_trials]
        others = np.setdiff1d(np.flatnonzero(chosen), np.concatenate([np.empty(0, dtype=int), *exchanged]))
        shifted, kept = (others, others[:0]) if shift_others else (others[:0], others)
        prepared.append(Half(regression, half, exchanged=exchanged, shifted=shifted, kept=kept))
    fitted, held_out = prepared
    return fitted, held_out


def _blocks(groups: Sequence[Array], most: int) -> dict[int, Array]:
    """Split groups of trials into blocks: number of trials of a block -> (place in the block, block) trials."""
    blocks: dict[int, list[Array]] = {}
    for group in groups:
        mixed = np.random.default_rng(0).permutation(group)
        for block in np.array_split(mixed, -(-len(group) // most)):
            blocks.setdefault(len(block), []).append(block)
    return {size: np.stack(of_size, axis=1) for size, of_size in blocks.items()}


def _spectrum(regression: CurrentRegression, trials: Array) -> torch.Tensor:
    """Transform regressors and currents over places in a block: conjugate spectrum (frequency, column, block time).

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    trials : (place, block) indices of the trials of every block.
    """
    size, n_blocks = trials.shape
    n_bins, n_columns = regression.z.shape[1], regression.z.shape[2] + regression.y.shape[2]
    spectrum = torch.empty((size // 2 + 1, n_columns, n_blocks, n_bins), dtype=torch.complex64, device=device())
    for block in range(n_blocks):
        for bins in block_slices(n_bins, size * n_columns):
            values = regression.multiplied(trials[:, block], bins)
            spectrum[:, :, block, bins] = torch.fft.rfft(values, dim=0).conj().mT
    return spectrum.flatten(2)
