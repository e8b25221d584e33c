"""Direct effects between regions beside a cause that was not recorded, from third-order cumulants of their activity.

Effects from skewness (`curbd.pathways.skewness`) assume that the activity is x = A x + e, and that nothing is added to
the activity. Third-order cumulants allow for two additions. Gaussian noise, which second moments hold, has none. And a
cause that was not recorded adds one more term: with the columns m of (I - A)^-1, the third moments c of the inputs e,
and the loadings h of the cause, the cumulants of x are the sum over regions of c m m m, plus h h h. There are more
cumulants than parameters from five regions on. The parameters are fitted by least squares, weighted by the sampling
errors of the cumulants, with a normal prior on every parameter. Where an effect of `skewed_effects` was the work of a
shared cause or of noise, it is not seen here.

Publications: De Lathauwer, Castaing & Cardoso, IEEE Trans. Signal Process. 2007 (more causes than series, from
cumulants); Hoyer, Shimizu, Kerminen & Palviainen, Int. J. Approx. Reasoning 2008 (effects beside causes that were not
recorded).
"""

from __future__ import annotations

from itertools import combinations_with_replacement, permutations
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares
from scipy.special import ndtri as normal_quantile

from curbd.pathways.skewness import mean_activity, moments_of_blocks, summed
from curbd.pathways.verdict import LEAST_SLOW_BIN_S

Array = np.ndarray
MIN_CUMULANT_REGIONS = 5
"""Fewest regions with more cumulants than parameters."""
MAX_CUMULANT_REGIONS = 16
"""Largest number of regions: the time of a step of the search grows with its seventh power."""
EFFECT_SD, INPUT_SD, CAUSE_SD = 0.5, 2.0, 1.0
"""Standard deviations of the priors of an effect, of the cube root of the third moment of an input, and of a loading of
the cause; activity is standardised."""
LEAST_ERROR_SHARE = 0.3
"""No sampling error of a cumulant counts as smaller than this share of their median."""
MAX_FEEDBACK_OF_START = 0.9
"""Largest size of an eigenvalue of the effects where a search starts."""
SHARES_OF_CAUSE = (0.3, 1.0, -1.0)
"""Loadings of the cause where the searches start, as shares of what products of different regions suggest."""
MAX_EVALUATIONS = 100
"""Largest number of steps of a search."""


class CumulantEffects(NamedTuple):
    """Direct effects between regions beside a cause that was not recorded.

    Attributes
    ----------
    effect : (target region, source region) change of the target, in its standard deviations, for a change of the source
        by one standard deviation; NaN on the diagonal, and everywhere if nothing can be said.
    low, high : (target region, source region) ends of the 95 % interval, from the differences between blocks of trials;
        NaN like the effect.
    """

    effect: Array
    low: Array
    high: Array


class _Parameters(NamedTuple):
    """What is fitted.

    Attributes
    ----------
    effect : (target, source) effects A, 0 on the diagonal.
    input : (region,) cube roots of the third moments of the inputs.
    cause : (region,) loadings of the cause, in cube roots of its third moment.
    """

    effect: Array
    input: Array
    cause: Array


def cumulant_effects(r: Array, region_of_unit: Array, bin_s: float, start: Array) -> CumulantEffects:
    """Estimate direct effects between regions that are over within a bin, beside a cause that was not recorded.

    Parameters
    ----------
    r : (trial, time, unit) rates of the training trials, NaN where missing.
    region_of_unit : (unit,) index of each unit's region, from 0.
    bin_s : width of the bins, s.
    start : (target region, source region) effects where a search starts, those of `skewed_effects`.

    Returns
    -------
    The effects and their intervals; NaN in bins below half a second, and with fewer than 5 or more than 16 regions.
    """
    n_regions = int(region_of_unit.max()) + 1
    nothing = np.full((n_regions, n_regions), np.nan)
    if bin_s < LEAST_SLOW_BIN_S or not MIN_CUMULANT_REGIONS <= n_regions <= MAX_CUMULANT_REGIONS:
        return CumulantEffects(nothing, nothing, nothing)
    blocks = moments_of_blocks(mean_activity(r, region_of_unit))
    if not blocks:
        return CumulantEffects(nothing, nothing, nothing)
    model = _Model(n_regions)
    total = summed(blocks)
    measured = model.different(total.third / total.n)
    of_blocks = np.stack([model.different(block.third / block.n) for block in blocks])
    error = of_blocks.std(0, ddof=1) / np.sqrt(len(blocks))
    weight = model.repeats / np.maximum(error, LEAST_ERROR_SHARE * np.median(error))
    best = min(
        (model.fit(measured, weight, begin) for begin in _starts(total.third / total.n, np.nan_to_num(start))),
        key=lambda fit: fit[1],
    )[0]
    margin = normal_quantile(0.975) * model.standard_errors(best, of_blocks - measured, weight)
    effect, low, high = nothing.copy(), nothing.copy(), nothing.copy()
    between = model.between
    effect[between] = best[: between.sum()]
    low[between], high[between] = effect[between] - margin, effect[between] + margin
    return CumulantEffects(effect, low, high)


def _starts(third: Array, effect: Array) -> list[_Parameters]:
    """Parameters where searches start: the effects from skewness with a small cause, and none with a large cause.

    Parameters
    ----------
    third : (region, region, region) cumulants of the activity.
    effect : (target, source) effects from skewness.
    """
    n_regions = len(third)
    different = ~np.eye(n_regions, dtype=bool)
    of_three = third[different[:, :, None] & different[None, :, :] & different[:, None, :]]
    cause = np.sign(of_three.mean()) * np.cbrt(np.abs(of_three).mean()) * np.ones(n_regions)
    effect = effect * min(
        1.0, MAX_FEEDBACK_OF_START / max(np.abs(np.linalg.eigvals(effect)).max(), MAX_FEEDBACK_OF_START)
    )
    inputs = np.eye(n_regions) - effect
    of_input = np.cbrt(np.einsum("abc,ia,ib,ic->i", third, inputs, inputs, inputs, optimize=True))
    alone = np.cbrt(np.einsum("iii->i", third))
    little, much, opposite = (share * cause for share in SHARES_OF_CAUSE)
    return [
        _Parameters(effect, of_input, little),
        _Parameters(effect / 2, of_input, much),
        *(_Parameters(np.zeros_like(effect), alone, loading) for loading in (much, opposite)),
    ]


class _Model:
    """The cumulants of some regions as a function of one vector of parameters: effects, inputs, cause.

    Attributes
    ----------
    between : (target, source) bool, True for the effects that are fitted.
    first, second, last : (cumulant,) regions of every cumulant whose value can differ from those of the others.
    repeats : (cumulant,) square root of the number of orders of these regions.
    precision : (parameter,) inverse standard deviations of the priors.
    """

    def __init__(self, n_regions: int) -> None:
        regions = list(combinations_with_replacement(range(n_regions), 3))
        self.n_regions = n_regions
        self.between = ~np.eye(n_regions, dtype=bool)
        self.first, self.second, self.last = np.array(regions).T
        self.repeats = np.sqrt([len(set(permutations(triple))) for triple in regions])
        sds = [EFFECT_SD] * int(self.between.sum()) + [INPUT_SD] * n_regions + [CAUSE_SD] * n_regions
        self.precision = 1 / np.array(sds)

    def different(self, third: Array) -> Array:
        """Take every value of a symmetric array (region, region, region) once."""
        return np.asarray(third[self.first, self.second, self.last])

    def fit(self, measured: Array, weight: Array, start: _Parameters) -> tuple[Array, float]:
        """Find the most probable parameters, and half of their squared errors, from one start.

        Parameters
        ----------
        measured, weight : (cumulant,) the measured cumulants and their weights.
        start : where the search starts.
        """
        found = least_squares(
            lambda values: np.concatenate([weight * (self._predicted(values) - measured), self.precision * values]),
            np.concatenate([start.effect[self.between], start.input, start.cause]),
            lambda values: np.vstack([weight[:, None] * self._slopes(values), np.diag(self.precision)]),
            method="lm",
            max_nfev=MAX_EVALUATIONS,
        )
        return np.asarray(found.x), float(found.cost)

    def standard_errors(self, values: Array, deviations: Array, weight: Array) -> Array:
        """Standard errors (effect,) of fitted effects, to first order in what blocks of trials deviate by.

        Parameters
        ----------
        values : (parameter,) the fitted parameters.
        deviations : (block, cumulant) cumulants of every block minus those of all.
        weight : (cumulant,) weights of the cumulants.
        """
        slopes = weight[:, None] * self._slopes(values)
        curvature = slopes.T @ slopes + np.diag(self.precision**2)
        moved = np.linalg.solve(curvature, slopes.T @ (weight * deviations).T)
        blocks = moved.shape[1]
        return np.asarray(np.sqrt((moved**2).sum(1) / (blocks * (blocks - 1)))[: self.between.sum()])

    def _unpacked(self, values: Array) -> _Parameters:
        effect = np.zeros(self.between.shape)
        effect[self.between] = values[: -2 * self.n_regions]
        return _Parameters(effect, *values[-2 * self.n_regions :].reshape(2, -1))

    def _loadings(self, values: Array) -> tuple[Array, Array]:
        """Effects of the inputs on all regions, through all paths (region, input), and all loadings (region, cause)."""
        parameters = self._unpacked(values)
        through_all = np.linalg.inv(np.eye(self.n_regions) - parameters.effect)
        return through_all, np.column_stack([through_all * parameters.input, parameters.cause])

    def _predicted(self, values: Array) -> Array:
        _, loading = self._loadings(values)
        return np.asarray((loading[self.first] * loading[self.second] * loading[self.last]).sum(1))

    def _slopes(self, values: Array) -> Array:
        """Derivatives (cumulant, parameter) of the cumulants."""
        through_all, loading = self._loadings(values)
        by_loading = np.zeros((len(self.first), *loading.shape))
        row = np.arange(len(self.first))
        triples = np.stack([self.first, self.second, self.last])
        for front in range(3):
            region, *others = np.roll(triples, -front, axis=0)
            np.add.at(by_loading, (row, region), loading[others[0]] * loading[others[1]])
        by_input = by_loading[..., :-1]
        by_effect = np.einsum("eik,ip,qk->epq", by_input, through_all, loading[:, :-1], optimize=True)
        return np.column_stack(
            [by_effect[:, self.between], np.einsum("eik,ik->ek", by_input, through_all), by_loading[..., -1]]
        )
