"""Regression of the current with weights that all animals share, and deviations of every animal.

The current into unit i of animal a is (w_i + d_ai) z + noise, where z is the standardised activity of all units of the
union and of all inputs. With the noise variance s_i, shared weights have the prior N(0, s_i / penalty), one penalty for
every target region and source, and deviations have the prior N(0, s_i / (ratio penalty)), with one ratio for all.
Given the penalties, both follow in closed form: the deviations are integrated out, and every animal then informs the
shared weights by M_a = G_a - G_a (G_a + ratio penalty)^-1 G_a, where G_a are the second moments of z. Penalties and
ratio are those of the largest evidence (MacKay, Neural Computation 1992).

In an animal, z of an unrecorded unit is what is expected of the unit given the recorded units. The current that the
rest of its activity sends is noise, which lowers the weight of the animal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

Array = np.ndarray
PENALTY_RANGE = (1e-2, 1e5)
RATIO_RANGE = (0.1, 1e4)
"""Smallest and largest ratio of the penalties of deviations and of shared weights."""
EVIDENCE_ROUNDS = 60
EVIDENCE_TOLERANCE = 0.01
"""Relative change of penalties and ratio below which these have converged."""
LEAST_CURRENT_VARIANCE = 1e-12


class AnimalMoments(NamedTuple):
    """Second moments of one animal, for all units of the union.

    Attributes
    ----------
    ZZ : (regressor, regressor) second moments of the expected regressors, summed over transitions.
    YZ : (unit, regressor) second moments of currents and regressors; 0 for currents of unrecorded units.
    YY : (unit,) squared currents, summed over transitions.
    n : number of transitions.
    recorded : (unit,) bool, whether the current of a unit was recorded.
    uncertainty : (regressor, regressor) covariance of the regressors around what is expected.
    """

    ZZ: Array
    YZ: Array
    YY: Array
    n: float
    recorded: Array
    uncertainty: Array


class Hierarchy(NamedTuple):
    """A solved regression of all animals.

    Attributes
    ----------
    shared : (unit, regressor) shared weights.
    shared_sd : (unit, regressor) posterior standard deviations of the shared weights.
    deviation : (animal, unit, regressor) deviations; 0 for unrecorded target units.
    noise : (unit,) noise variance.
    penalty : (target region, source) penalties of the shared weights.
    ratio : ratio of the penalties of deviations and of shared weights.
    """

    shared: Array
    shared_sd: Array
    deviation: Array
    noise: Array
    penalty: Array
    ratio: float


class _Sums(NamedTuple):
    """Sums over the units of a region that the evidence needs: (source,) for shared weights, numbers for deviations."""

    determined: Array
    power: Array
    deviations_determined: float
    deviations_power: float


def solve_hierarchy(
    animals: Sequence[AnimalMoments], region: Array, source: Array, multiple: Array | None = None
) -> Hierarchy:
    """Fit shared weights and deviations, and choose their penalties by the evidence.

    Parameters
    ----------
    animals : second moments of every animal.
    region : (unit,) index of the region of every unit.
    source : (regressor,) index of the source of every regressor: regions, then inputs.
    multiple : (unit, regressor) factors of the penalties, for example larger where no synapse is known; None for 1.
    """
    n_units, n_regressors = animals[0].YZ.shape
    solved = Hierarchy(
        shared=np.zeros((n_units, n_regressors)),
        shared_sd=np.zeros((n_units, n_regressors)),
        deviation=np.zeros((len(animals), n_units, n_regressors)),
        noise=_variance_of_currents(animals),
        penalty=np.ones((region.max() + 1, source.max() + 1)),
        ratio=1.0,
    )
    factor = np.ones((n_units, n_regressors)) if multiple is None else multiple
    for _ in range(EVIDENCE_ROUNDS):
        before = np.append(solved.penalty.ravel(), solved.ratio)
        solved = _updated(animals, region, source, factor, solved)
        change = np.abs(np.log(np.append(solved.penalty.ravel(), solved.ratio) / before)).max()
        if change < EVIDENCE_TOLERANCE:
            break
    return solved


def _updated(
    animals: Sequence[AnimalMoments], region: Array, source: Array, factor: Array, old: Hierarchy
) -> Hierarchy:
    """Solve with the present penalties, and update noise, penalties and ratio."""
    shared, sd, deviation = np.zeros_like(old.shared), np.zeros_like(old.shared), np.zeros_like(old.deviation)
    noise, penalty = old.noise.copy(), old.penalty.copy()
    own_determined = own_power = 0.0
    for target in range(len(penalty)):
        sums = list[_Sums]()
        weight = _weights_of_animals(animals, old, region == target)
        for rows, ridge in _groups(animals, region == target, penalty[target][source] * factor):
            informing = np.flatnonzero([animal.recorded[rows[0]] for animal in animals])
            solution = _solve([animals[index] for index in informing.tolist()], weight[informing], rows, ridge, old)
            shared[rows], sd[rows] = solution.shared, solution.sd
            deviation[np.ix_(informing, rows)] = solution.deviation
            noise[rows] = solution.noise
            sums.append(solution.sums(ridge, factor[rows[0]], source, penalty.shape[1]))
        determined, power = sum(entry.determined for entry in sums), sum(entry.power for entry in sums)
        penalty[target] = np.clip(determined / np.maximum(power, LEAST_CURRENT_VARIANCE), *PENALTY_RANGE)
        own_determined += sum(entry.deviations_determined for entry in sums)
        own_power += sum(entry.deviations_power for entry in sums)
    ratio = float(np.clip(own_determined / max(own_power, LEAST_CURRENT_VARIANCE), *RATIO_RANGE))
    if len(animals) == 1:
        ratio = old.ratio
    return Hierarchy(shared, sd * np.sqrt(noise)[:, None], deviation, noise, penalty, ratio)


class _Solution(NamedTuple):
    """Weights of some units with the same penalties that were recorded in the same animals; variances per noise."""

    shared: Array
    sd: Array
    deviation: Array
    deviation_variance: Array
    noise: Array
    ratio: float

    def sums(self, ridge: Array, factor: Array, source: Array, n_sources: int) -> _Sums:
        determined = 1 - ridge * self.sd[0] ** 2
        scaled = self.shared**2 / self.noise[:, None] * factor
        own = 1 - self.ratio * ridge * self.deviation_variance
        return _Sums(
            determined=len(self.noise) * np.bincount(source, determined, n_sources),
            power=np.bincount(source, scaled.sum(0), n_sources),
            deviations_determined=float(len(self.noise) * own.sum()),
            deviations_power=float((ridge * self.deviation**2 / self.noise[:, None]).sum()),
        )


def _solve(animals: Sequence[AnimalMoments], weight: Array, rows: Array, ridge: Array, old: Hierarchy) -> _Solution:
    own_ridge = old.ratio * ridge
    grams = [w * animal.ZZ for w, animal in zip(weight, animals, strict=True)]
    crosses = [w * animal.YZ[rows] for w, animal in zip(weight, animals, strict=True)]
    inverses = [np.linalg.inv(gram + np.diag(own_ridge)) for gram in grams]
    information = np.diag(ridge)
    cross = np.zeros_like(crosses[0])
    for gram, inverse, of_animal in zip(grams, inverses, crosses, strict=True):
        information = information + gram - gram @ inverse @ gram
        cross += of_animal - of_animal @ inverse @ gram
    covariance = np.linalg.inv(information)
    shared = cross @ covariance
    deviation = np.stack([(c - shared @ g) @ f for c, g, f in zip(crosses, grams, inverses, strict=True)])
    variance = np.stack(
        [
            inverse.diagonal() + np.einsum("ij,jk,ki->i", inverse @ gram, covariance, gram @ inverse)
            for gram, inverse in zip(grams, inverses, strict=True)
        ]
    )
    used = (1 - ridge * covariance.diagonal()).sum() + (1 - own_ridge * variance).sum()
    error, count = np.zeros(len(rows)), 0.0
    for w, animal, gram, of_animal, own in zip(weight, animals, grams, crosses, deviation, strict=True):
        W = shared + own
        error += w * animal.YY[rows] - 2 * (W * of_animal).sum(1) + ((W @ gram) * W).sum(1)
        count += animal.n
    noise = np.maximum(error, LEAST_CURRENT_VARIANCE) / max(count - used, 1.0)
    sd = np.broadcast_to(np.sqrt(covariance.diagonal()), shared.shape)
    return _Solution(shared, sd, deviation, variance, noise, old.ratio)


def _groups(animals: Sequence[AnimalMoments], chosen: Array, ridge: Array) -> Iterator[tuple[Array, Array]]:
    """Units (indices) that were recorded in the same animals and have the same penalties, and these penalties."""
    pattern = np.array([animal.recorded for animal in animals]).T
    rows = np.flatnonzero(chosen & pattern.any(1))
    _, group = np.unique(np.concatenate([pattern[rows], ridge[rows]], axis=1), axis=0, return_inverse=True)
    for index in range(group.max() + 1 if len(rows) else 0):
        members = rows[group.ravel() == index]
        yield members, ridge[members[0]]


def _weights_of_animals(animals: Sequence[AnimalMoments], old: Hierarchy, rows: Array) -> Array:
    """(animal,) how much the transitions of an animal count: less where unrecorded units add noise."""
    noise = old.noise[rows].sum()
    weight = list[float]()
    for animal, own in zip(animals, old.deviation, strict=True):
        W = (old.shared + own)[rows]
        weight.append(float(noise / (noise + ((W @ animal.uncertainty) * W).sum())))
    return np.array(weight)


def _variance_of_currents(animals: Sequence[AnimalMoments]) -> Array:
    total = sum(animal.YY for animal in animals)
    count = sum(animal.n * animal.recorded for animal in animals)
    return np.maximum(total / np.maximum(count, 1.0), LEAST_CURRENT_VARIANCE)
