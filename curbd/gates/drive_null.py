"""Test of who drives the gates: does a source drive gates better than the same source with exchanged trials?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.network.gated import GatedNetwork
from curbd.pathways.monte_carlo import MonteCarlo, decide
from curbd.regression.gated import LEAST_WEIGHT_VARIANCE, SMALL_RIDGE_SHARE, GatedPairs, Linearised

Array = np.ndarray
MOST_DRAWS = 199
"""Largest number of exchanges of trials; the smallest p-value is 1 / 200."""


class Drive(NamedTuple):
    """A source that may drive gates, and the networks with and without its drives.

    Attributes
    ----------
    seen, unseen : changes of states in training trials and in test trials.
    without, moving : the networks in which the source drives no gates, and in which everything drives gates.
    columns : (column,) index of the regressors of the source.
    """

    seen: GatedPairs
    unseen: GatedPairs
    without: GatedNetwork
    moving: GatedNetwork
    columns: Array

    def gains(self, unit: int, trials: list[tuple[Array, Array]]) -> Array:
        """Compute the gains of unseen changes of a unit by drives of the source whose trials are exchanged.

        A gain is that of one Gauss-Newton step of all weights from the network without the drives. The step has the
        best length, because a step towards strong drives is too long; a step that is best turned around has a negative
        gain.

        Parameters
        ----------
        unit : index of the unit.
        trials : for every exchange, the trials (trial,) from which training trials and test trials take the activity
            of the source.

        Returns
        -------
        (exchange,) gains, nats.
        """
        n_regressors = self.seen.z.shape[1]
        others = np.setdiff1d(np.arange(n_regressors), self.columns)
        J, G = self.without.J[unit], self.without.G[unit, others]
        seen, unseen = (Linearised.of(half, unit, J, G, half.f[:, others]) for half in (self.seen, self.unseen))
        design, unseen_design = (
            np.concatenate([about.of_state, about.of_drive[:, None] * half.f[:, others]], axis=1)
            for about, half in ((seen, self.seen), (unseen, self.unseen))
        )
        noise = float((seen.error**2).mean())
        ridge = self._ridge(unit, noise)
        kept = np.concatenate([np.arange(n_regressors), n_regressors + others])
        inverse = np.linalg.inv(design.T @ design + np.diag(ridge[kept]))
        gains = np.zeros(len(trials))
        for draw, (of_seen, of_unseen) in enumerate(trials):
            of_source = seen.of_drive[:, None] * self.seen.exchanged(self.columns, of_seen)
            shared = design.T @ of_source
            explained = inverse @ shared
            gram = of_source.T @ of_source - shared.T @ explained + np.diag(ridge[n_regressors + self.columns])
            weights = np.linalg.solve(gram, of_source.T @ seen.error)
            step = unseen.of_drive * (self.unseen.exchanged(self.columns, of_unseen) @ weights)
            step -= unseen_design @ (explained @ weights)
            agreement, size = float(unseen.error @ step), float(step @ step)
            if size > 0:
                gains[draw] = agreement * abs(agreement) / (2 * noise * size)
        return gains

    def _ridge(self, unit: int, noise: float) -> Array:
        """Return the penalties (weight,) on the weights of a unit, first on its state, then on its gate."""
        n_units, n_regressors = self.seen.h.shape[1], self.seen.z.shape[1]
        of_unit = np.arange(n_regressors) < n_units
        small = SMALL_RIDGE_SHARE * len(self.seen.change)
        variances = [max(float((w[unit, of_unit] ** 2).mean()), LEAST_WEIGHT_VARIANCE) for w in self.moving[:2]]
        return np.concatenate([np.where(of_unit, noise / variance, small) for variance in variances])


def drive_tests(
    drive: Drive, groups: tuple[list[Array], list[Array]], region: Array, rng: np.random.Generator
) -> dict[str, MonteCarlo]:
    """Compare what a source adds by driving the gates of a region with what it adds after trials were exchanged.

    In the null, the activity of the source is that of another trial of the same condition, so that what all trials of a
    condition have in common counts for nothing. The currents of the source stay as they are.

    Parameters
    ----------
    drive : the source.
    groups : groups of training trials and of test trials (trial,) between which activity is exchanged.
    region : (unit,) region of every unit.
    rng : random generator of the exchanges.

    Returns
    -------
    Target region -> test. The statistic is NaN if the source is the same in all trials of every group.
    """
    targets = [str(name) for name in np.unique(region)]
    halves = (drive.seen, drive.unseen)

    def gains(trials: list[tuple[Array, Array]], target: str) -> Array:
        return np.sum([drive.gains(int(unit), trials) for unit in np.flatnonzero(region == target)], axis=0)

    def exchange() -> tuple[Array, Array]:
        return _exchanged(halves[0], groups[0], rng), _exchanged(halves[1], groups[1], rng)

    def draw(n_draws: int, undecided: list[int]) -> Array:
        trials = [exchange() for _ in range(n_draws)]
        return np.stack([gains(trials, targets[index]) for index in undecided], axis=1)

    own = (np.arange(len(drive.seen.f_of_trials)), np.arange(len(drive.unseen.f_of_trials)))
    alike = all(_alike(half, drive.columns, of_half) for half, of_half in zip(halves, groups, strict=True))
    tests = [MonteCarlo(np.nan if alike else float(gains([own], target)[0]), MOST_DRAWS) for target in targets]
    decide(tests, draw)
    return dict(zip(targets, tests, strict=True))


def _exchanged(half: GatedPairs, groups: list[Array], rng: np.random.Generator) -> Array:
    """Draw from which trial every trial takes the activity of a source."""
    trials = np.arange(len(half.f_of_trials))
    for group in groups:
        trials[group] = rng.permutation(group)
    return trials


def _alike(half: GatedPairs, columns: Array, groups: list[Array]) -> bool:
    """Say whether the source is the same in all trials of every group."""
    return all(np.ptp(half.f_of_trials[group][..., columns], axis=0).max() == 0 for group in groups)
