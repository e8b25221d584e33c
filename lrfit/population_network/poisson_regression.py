"""Poisson regressions of many units on the same columns, solved together.

    counts of unit u ~ Poisson(exp(intercept_u + X weights_u)),  ridge penalty on the weights

All units share one eigendecomposition of the columns. With the mean rate of a unit in place of its rates, it gives an
approximate inverse of the Hessian of every unit, which preconditions conjugate gradients (Polak & Ribière, Revue
française d'informatique et de recherche opérationnelle 1969) with a Newton search along the direction of each unit. An
iteration is a few matrix products for all units.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray
Step = Callable[[Array], Array]
MAX_REGRESSION_STEPS = 50
NEGLIGIBLE_GAIN_NATS = 0.02
"""Iterations end when the gradient promises every unit less than this gain of penalised log likelihood."""
LINE_STEPS = 4
"""Number of Newton steps along a direction."""
MAX_RELATIVE_LENGTH = 4.0
"""Largest length of a step, relative to the step for rates that equal the mean rate."""
MAX_LOG_COUNT = 20.0
"""Largest log of an expected count."""


def poisson_regressions(
    X: Array, counts: Array, *, penalty: float, left_out: Array | None = None
) -> tuple[Array, Array]:
    """Fit a Poisson regression to every unit.

    The weights minimise the mean over samples of expected - counts log(expected), plus penalty / 2 times the squared
    weights.

    Parameters
    ----------
    X : (sample, column) columns.
    counts : (sample, unit) counts; every unit has at least one count above 0.
    penalty : ridge penalty on the weights; the intercept has no penalty.
    left_out : (unit, k) indices of the columns whose weight is 0 for the unit; None if every unit has weights of all
        columns.

    Returns
    -------
    weights : (column, unit) weights.
    intercept : (unit,) log of the expected count where all columns are 0.
    """
    samples, units = counts.shape
    centre, mean = X.mean(0), counts.mean(0, dtype=float)
    # With centred columns, the intercept hardly depends on the weights.
    Z = np.concatenate([X - centre, np.ones((samples, 1), X.dtype)], 1)
    size, vectors = np.linalg.eigh((Z.T @ Z).astype(float) / samples)
    shrink = 1 / (np.maximum(size, 0)[:, None] * mean + penalty)
    penalties = np.append(np.full(X.shape[1], penalty), 0.0)[:, None]

    def whole_step(slope: Array) -> Array:
        return np.asarray(vectors @ (shrink * (vectors.T @ slope)))

    within = (lambda step: step) if left_out is None else _without(left_out, whole_step, X.shape[1] + 1)
    W = np.concatenate([np.zeros((X.shape[1], units)), np.log(mean)[None]])
    log_expected = np.broadcast_to(np.log(mean), counts.shape).astype(X.dtype)
    direction, before = np.zeros_like(W), None
    for _ in range(MAX_REGRESSION_STEPS):
        slope = (Z.T @ (_expected(log_expected) - counts)).astype(float) / samples + penalties * W
        fresh = within(whole_step(slope))
        promised = (slope * fresh).sum(0)
        if (0.5 * samples * promised < NEGLIGIBLE_GAIN_NATS).all():
            break
        turn = 0.0 if before is None else np.maximum(promised - (slope * before[0]).sum(0), 0) / before[1]
        direction = turn * direction - fresh
        before = fresh, np.maximum(promised, np.finfo(float).tiny)
        move = Z @ direction.astype(Z.dtype)
        length = _length(log_expected, move, counts, (penalties * W * direction).sum(0), penalties * direction**2)
        W += length * direction
        log_expected += length.astype(move.dtype) * move
    return W[:-1], W[-1] - centre @ W[:-1]


def _without(left_out: Array, whole_step: Step, columns: int) -> Step:
    """Make the function that turns a step in all columns into the best step that leaves some columns out."""
    units, k = left_out.shape
    everyone = np.arange(units)
    unit_steps = np.zeros((k, columns, units))
    unit_steps[np.arange(k), left_out, everyone[:, None]] = 1.0
    unit_steps = np.stack([whole_step(step) for step in unit_steps])
    # (unit, k, k) what a step in one left-out column does to the others.
    between = np.moveaxis(unit_steps, 2, 0)[everyone[:, None], :, left_out]

    def within(step: Array) -> Array:
        wanted = step[left_out, everyone[:, None]]
        amount = np.linalg.solve(between, wanted[..., None])[..., 0]
        return step - np.einsum("kcu,uk->cu", unit_steps, amount)

    return within


def _length(log_expected: Array, move: Array, counts: Array, pull: Array, stiffness: Array) -> Array:
    """(unit,) length of the step along the move at which the penalised log likelihood of each unit is largest."""
    samples, length = len(counts), np.zeros(counts.shape[1])
    wanted = np.einsum("su,su->u", counts, move, dtype=float) / samples
    for _ in range(LINE_STEPS):
        heavy = move * _expected(log_expected + length.astype(move.dtype) * move)
        slope = heavy.sum(0, dtype=float) / samples - wanted + pull + length * stiffness.sum(0)
        bend = np.einsum("su,su->u", heavy, move, dtype=float) / samples + stiffness.sum(0)
        length = np.clip(length - slope / np.maximum(bend, np.finfo(float).tiny), 0, MAX_RELATIVE_LENGTH)
    return length


def _expected(log_expected: Array) -> Array:
    return np.asarray(np.exp(np.minimum(log_expected, MAX_LOG_COUNT)))
