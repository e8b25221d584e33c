"""Regression of the current under constraints: signs by cell type, distance, density and pairs of units.

The regression is solved from the same second moments as that of `curbd.estimators.one_step`, with bounds on the weights
(`curbd.regression.bounded`). The strength of the penalties is chosen for every target region by the error of held-out
folds. Controls are fitted beside it: a network without constraints, networks with shuffled cell types, and networks
with shuffled positions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.network.equation import Network, weights
from curbd.network.fit import Controls, Fit, Posterior
from curbd.recording.circuit import LEAST_PENALTY_FACTOR, Circuit, Density
from curbd.regression.block_ridge import Regression, inflation, regress, residual_variance
from curbd.regression.bounded import CHANGE_TOLERANCE, Penalties, solve_bounded
from curbd.regression.moments import Moments, moments
from curbd.regression.ridge import REGULARISING_PENALTY, inputs_free
from curbd.regression.spatial_penalty import communicability
from curbd.regression.transitions import TrainingData, as_network, regressors, targets, transitions
from curbd.settings.estimators import OneStep, Sparse

Array = np.ndarray
RIDGE_STRENGTHS = np.array([3.0, 1.0, 0.3, 0.1, 0.03])
"""Multipliers of the ridge penalties of the unconstrained fit that are tried, the strongest first."""
L1_STRENGTHS = np.array([2.0, 1.4, 1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08])
"""L1 penalties that are tried, the strongest first, in units of the standard deviation of the product of noise and
rates, summed over transitions."""
SEARCH_TOLERANCE = 1e-4
"""Tolerance of controls and of the solutions by which a strength is chosen, see
`curbd.regression.bounded.CHANGE_TOLERANCE`."""
COMMUNICABILITY_ROUNDS = 2
"""Number of times that the communicability of the fit is computed and the fit repeated."""
PRUNING_ROUNDS = 5
"""Number of prunings, in which the density of a block shrinks in equal ratios to the given density."""
MAX_EXCHANGES = 20
"""Largest number of times that pruned weights are taken back because others became 0."""
FIXED_RIDGE_SHARE = 1e9
"""Ridge penalty on a weight that is 0 in the fit, as a multiple of the mean second moment of a regressor: the posterior
of the weight has no width."""


class _Statistics(NamedTuple):
    """Second moments in arrays: gram (regressor, regressor), cross (unit, regressor) and power (unit,)."""

    gram: Array
    cross: Array
    power: Array


class _Problem(NamedTuple):
    """The regression: second moments, penalties of strength 1 without constraints, and the strengths that are tried.

    Attributes
    ----------
    total : second moments of all transitions.
    folds, without : second moments of every fold, and of all other folds.
    region : (unit,) index of the region of each unit.
    l1, l2 : (unit, regressor) penalties of strength 1.
    strengths : (strength,) multipliers of the penalties on weights between units.
    """

    total: _Statistics
    folds: list[_Statistics]
    without: list[_Statistics]
    region: Array
    l1: Array
    l2: Array
    strengths: Array


def constrained(data: TrainingData, circuit: Circuit, options: OneStep, rng: np.random.Generator) -> Fit:
    """Fit a network under constraints, together with its controls.

    With the options of `one_step`, the penalties are the ridge penalties of the unconstrained regression times a
    strength. With the options of `sparse`, they are L1 penalties.

    Parameters
    ----------
    data : the training trials. If their time constant is None, the time constant is estimated without constraints.
    circuit : the constraints.
    options : options of the estimator `one_step` or `sparse`.
    rng : random generator that shuffles the cell types and the positions of the controls.

    Returns
    -------
    The network, the ridge penalties of the unconstrained regression, the posterior (weights that are 0 have no width),
    and the controls.
    """
    pairs = transitions(data, options.folds)
    first = regress(data, pairs, options.penalties)
    z = regressors(pairs, first.network)
    y = targets(pairs, first.network.decay)
    noise = np.sqrt(residual_variance(first, data))
    problem = _problem(data, first, moments(z, y, pairs.fold), noise, is_sparse=isinstance(options, Sparse))
    free = weights(first.network)
    if isinstance(options, Sparse):
        free = _solved(problem, _without_constraints(problem), None)[0]
    W, penalties = _fitted(problem, circuit, None)
    strength = penalties.strength
    shuffled = [
        _fitted(problem, circuit._replace(sign=rng.permutation(circuit.sign)), strength, SEARCH_TOLERANCE)[0]
        for _ in range(circuit.n_shuffles)
    ]
    displaced = [
        _fitted(problem, circuit.displaced(rng.permutation(len(circuit.sign))), strength, SEARCH_TOLERANCE)[0]
        for _ in range(circuit.n_displaced)
    ]

    def as_fitted(solution: Array) -> Network:
        return as_network(solution, data, first.network.time_constant_s)

    network = as_fitted(W)
    left = _squared_error(problem.total, W)
    ridge = _posterior_ridge(problem.total.gram, W, penalties.penalties)
    freedom = np.maximum(len(y) - (W != 0).sum(1), 0.1 * len(y))
    return Fit(
        network,
        penalty=first.between_regions,
        posterior=Posterior(left / freedom * inflation(network, pairs), problem.total.gram, ridge),
        penalty_by="cross_validation",
        controls=Controls(
            unconstrained=as_fitted(free),
            shuffled=tuple(map(as_fitted, shuffled)),
            displaced=tuple(map(as_fitted, displaced)),
            circuit=circuit,
        ),
    )


def held_out_r2(fit: Fit, data: TrainingData) -> Array:
    """Return the share of the variance of the held-out total current that a fit and its controls predict.

    Parameters
    ----------
    fit : a fit with controls.
    data : trials that were not fitted.

    Returns
    -------
    (control,) share for the fit, the unconstrained fit, every fit with shuffled cell types and every fit with shuffled
    positions; NaN without held-out transitions.
    """
    controls = fit.controls
    if controls is None:
        raise ValueError("a fit without constraints has no controls")
    pairs = transitions(data)
    networks = (fit.network, controls.unconstrained, *controls.shuffled, *controls.displaced)
    if not len(pairs.r):
        return np.full(len(networks), np.nan)
    y = targets(pairs, fit.network.decay)
    spread = ((y - y.mean(0)) ** 2).sum()
    return np.array(
        [1 - ((y - regressors(pairs, network) @ weights(network).T) ** 2).sum() / spread for network in networks]
    )


class _Chosen(NamedTuple):
    """The penalties of a fit, and the strength (unit,) of these penalties."""

    penalties: Penalties
    strength: Array


def _problem(data: TrainingData, first: Regression, folds: Moments, noise: Array, *, is_sparse: bool) -> _Problem:
    """The regression with ridge penalties, or with L1 penalties if it is sparse."""
    n, shape = len(data.region), tuple(first.total.YZ.shape)
    ridge = first.penalty[data.region][:, first.source]
    l1, strengths = np.zeros(shape), RIDGE_STRENGTHS
    if is_sparse:
        power = first.total.ZZ.diagonal().cpu().numpy()
        l1[:, :n] = noise[:, None] * np.sqrt(power[:n].mean())
        free = inputs_free(np.full((data.n_regions, data.n_regions), REGULARISING_PENALTY), power[n:-1])
        ridge, strengths = free[data.region][:, first.source], L1_STRENGTHS
    return _Problem(
        total=_arrays(folds.total()),
        folds=_by_fold(folds),
        without=_by_fold(folds.without()),
        region=data.region,
        l1=l1,
        l2=ridge,
        strengths=strengths,
    )


def _arrays(m: Moments) -> _Statistics:
    return _Statistics(m.ZZ.cpu().numpy(), m.YZ.cpu().numpy(), m.YY.cpu().numpy())


def _by_fold(m: Moments) -> list[_Statistics]:
    return [_arrays(Moments(*(statistic[fold] for statistic in m))) for fold in range(len(m.n))]


def _squared_error(m: _Statistics, W: Array) -> Array:
    """Squared error (unit,) of weights W, summed over transitions."""
    return np.maximum(m.power - 2 * (W * m.cross).sum(1) + ((W @ m.gram) * W).sum(1), 0.0)


def _without_constraints(problem: _Problem) -> Penalties:
    unbounded = np.full(problem.l1.shape, np.inf)
    return Penalties(problem.l1, problem.l2, -unbounded, unbounded)


def _under(problem: _Problem, circuit: Circuit, factor: Array) -> Penalties:
    """Penalties of strength 1 and bounds under constraints; ``factor`` multiplies the penalties between units."""
    n = len(circuit.sign)
    l1, l2, lower, upper = (part.copy() for part in _without_constraints(problem))
    absent = ~np.isfinite(factor)
    if circuit.local_inhibition:
        absent |= (circuit.sign < 0)[None] & ~circuit.same_region
    finite = np.where(absent, 1.0, factor)
    l1[:, :n] *= finite
    l2[:, :n] *= finite
    lower[:, :n][:, circuit.sign > 0] = 0.0
    upper[:, :n][:, circuit.sign < 0] = 0.0
    lower[:, :n][absent] = 0.0
    upper[:, :n][absent] = 0.0
    return Penalties(l1, l2, lower, upper)


def _scaled(penalties: Penalties, strength: Array, n: int) -> Penalties:
    """Penalties of a given strength (unit,) on the weights between units; those of inputs and bias are kept."""
    l1, l2 = penalties.l1.copy(), penalties.l2.copy()
    l1[:, :n] *= strength[:, None]
    l2[:, :n] *= strength[:, None]
    return penalties._replace(l1=l1, l2=l2)


def _solution(
    m: _Statistics, penalties: Penalties, start: Array | None = None, tolerance: float = CHANGE_TOLERANCE
) -> Array:
    """Weights (unit, regressor) of the regression; inputs and bias have neither bounds nor an L1 penalty."""
    n_free = m.cross.shape[1] - m.cross.shape[0]
    return solve_bounded(*m, penalties, start, n_free=n_free, tolerance=tolerance)


def _solved(
    problem: _Problem, penalties: Penalties, strength: Array | None, tolerance: float = CHANGE_TOLERANCE
) -> tuple[Array, _Chosen]:
    """Solve the regression; a strength of None is chosen by the error of held-out folds, for every target region."""
    if strength is None:
        strength = _chosen_strength(problem, penalties)
    scaled = _scaled(penalties, strength, len(problem.region))
    return _solution(problem.total, scaled, None, tolerance), _Chosen(scaled, strength)


def _chosen_strength(problem: _Problem, penalties: Penalties) -> Array:
    """Strength (unit,) with the smallest held-out error, summed over the units of a region, each relative to its own
    sum of squares."""
    n = len(problem.region)
    errors = np.zeros((len(problem.strengths), n))
    for fold, rest in zip(problem.folds, problem.without, strict=True):
        W = None
        for index, strength in enumerate(problem.strengths):
            # The solution of a stronger penalty is close by.
            W = _solution(rest, _scaled(penalties, np.full(n, strength), n), W, SEARCH_TOLERANCE)
            errors[index] += _squared_error(fold, W) / np.maximum(problem.total.power, np.finfo(float).tiny)
    of_regions = np.stack([errors[:, problem.region == region].sum(1) for region in range(problem.region.max() + 1)])
    return problem.strengths[of_regions.argmin(1)][problem.region]


def _fitted(
    problem: _Problem, circuit: Circuit, strength: Array | None, tolerance: float = CHANGE_TOLERANCE
) -> tuple[Array, _Chosen]:
    """Solve the regression under constraints, with communicability and given densities if the circuit has them."""
    n = len(circuit.sign)
    W, chosen = _solved(problem, _under(problem, circuit, circuit.penalty_factor), strength, tolerance)
    for _ in range(COMMUNICABILITY_ROUNDS if circuit.communicability else 0):
        near = communicability(W[:, :n].T).T
        mean = near[~np.eye(n, dtype=bool)].mean()
        factor = np.maximum(near / mean, LEAST_PENALTY_FACTOR) if mean > 0 else np.ones_like(near)
        W, chosen = _solved(problem, _under(problem, circuit, circuit.penalty_factor * factor), strength, tolerance)
    if circuit.densities:
        W, penalties = _pruned(problem, circuit.densities, W, chosen.penalties)
        chosen = chosen._replace(penalties=penalties)
    return W, chosen


def _pruned(
    problem: _Problem, densities: tuple[Density, ...], W: Array, penalties: Penalties
) -> tuple[Array, Penalties]:
    """Prune the weights of blocks to their densities, by the size of the currents that they send, and fit the rest.

    The L1 penalty of the pruned blocks is left out, so that weights that are kept are not shrunk.
    """
    n = len(problem.region)
    blocks = [density.block for density in densities]
    wanted = [int(np.ceil(density.share * density.block.sum())) for density in densities]
    size = np.sqrt(np.maximum(problem.total.gram.diagonal()[:n], np.finfo(float).tiny))
    l1 = penalties.l1.copy()
    l1[:, :n][np.any(blocks, axis=0)] = 0.0
    relaxed = penalties._replace(l1=l1)
    begun = [int((W[:, :n] != 0)[block].sum()) for block in blocks]
    bounded = relaxed
    for step in range(1, PRUNING_ROUNDS + MAX_EXCHANGES + 1):
        counts = [
            max(last, round(first * (last / max(first, 1)) ** min(step / PRUNING_ROUNDS, 1)))
            for first, last in zip(begun, wanted, strict=True)
        ]
        bounded = _with_support(problem, relaxed, W, blocks, counts, size)
        W = _solution(problem.total, bounded, W)
        realised = [int((W[:, :n] != 0)[block].sum()) for block in blocks]
        if step >= PRUNING_ROUNDS and realised == wanted:
            break
    return W, bounded


def _with_support(
    problem: _Problem, penalties: Penalties, W: Array, blocks: list[Array], counts: list[int], size: Array
) -> Penalties:
    """Bounds under which only the given numbers of weights of every block may differ from 0.

    The weights that send the largest currents are kept. If fewer weights differ from 0, those are added that would
    reduce the squared error fastest in a direction that their bounds allow.
    """
    n = len(size)
    J = W[:, :n]
    slope = (problem.total.cross - W @ problem.total.gram)[:, :n]
    allowed = np.clip(
        slope, np.where(penalties.lower < 0, -np.inf, 0)[:, :n], np.where(penalties.upper > 0, np.inf, 0)[:, :n]
    )
    lower, upper = penalties.lower.copy(), penalties.upper.copy()
    for block, count in zip(blocks, counts, strict=True):
        strongest = np.abs(J) * size * size.sum() / n
        gains = np.abs(allowed) / size
        # Weights that differ from 0 stand before all others, in the order of their currents.
        order = np.lexsort((-gains[block], -strongest[block]))
        absent = np.ones(len(order), dtype=bool)
        absent[order[:count]] = False
        targets_of_block, sources_of_block = np.nonzero(block)
        cut = targets_of_block[absent], sources_of_block[absent]
        lower[cut], upper[cut] = 0.0, 0.0
    return penalties._replace(lower=lower, upper=upper)


def _posterior_ridge(gram: Array, W: Array, penalties: Penalties) -> Array:
    """Ridge penalties (unit, regressor) of the Gaussian that approximates the posterior about the fitted weights.

    The L1 penalty of a weight w has the curvature l1 / |w| (Fan & Li, Journal of the American Statistical Association
    2001). Weights that are 0 are fixed.
    """
    fixed = FIXED_RIDGE_SHARE * gram.diagonal().mean()
    curvature = np.divide(penalties.l1, np.abs(W), out=np.zeros(W.shape), where=W != 0)
    return np.where(W == 0, fixed, np.minimum(penalties.l2 + curvature, fixed))
