"""Ridge regression from sufficient statistics, with one penalty for each pair of a target region and a source.

Sources are the regions, every input, and the bias; penalties are (target region, source), and every regressor has the
number of its source (see `curbd.regression.transitions.source_of_regressor`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.equation import tensor

Array = np.ndarray
WEAK = 1e-3
"""Penalty on an input in its own variance that leaves its weights nearly free."""
HAIR = 1e-9
"""Penalty that keeps the matrix regular when an input is constant, and leaves the bias free."""
GRID = 10.0 ** np.arange(-2, 6)
"""Penalties tried first, in decades. Smaller ones fit the rounding of nearly deterministic data: the currents of the
published simulator get worse although the held-out error still falls."""
SWEEPS = 4
"""Rounds of coordinate descent on penalties, at most."""


class Moments(NamedTuple):
    """Sufficient statistics of a regression of y (unit) on z (regressor).

    ZZ (regressor, regressor), YZ (unit, regressor), YY (unit,), n: number of pairs. A leading axis runs over folds.
    """

    ZZ: torch.Tensor
    YZ: torch.Tensor
    YY: torch.Tensor
    n: torch.Tensor

    def total(self) -> Moments:
        """Sum over the leading axis."""
        return Moments(*(part.sum(0) for part in self))

    def without(self) -> Moments:
        """For each fold the sum over all others."""
        return Moments(*(part.sum(0, keepdim=True) - part for part in self))

    def of(self, rows: Array) -> Moments:
        """Statistics of some of the units."""
        return self._replace(YZ=self.YZ[..., rows, :], YY=self.YY[..., rows])

    def plus(self, other: Moments) -> Moments:
        """Statistics of both data sets together."""
        return Moments(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def moments(z: Array, y: Array, fold: Array | None = None) -> Moments:
    """Statistics of z (pair, regressor) and y (pair, unit), one set a fold."""
    groups = [np.arange(len(z))] if fold is None else [np.flatnonzero(fold == k) for k in range(int(fold.max()) + 1)]
    parts = []
    for members in groups:
        zk, yk = tensor(z[members]), tensor(y[members])
        n = torch.tensor(float(len(members)), dtype=torch.float64, device=zk.device)
        parts.append((zk.T @ zk, yk.T @ zk, (yk * yk).sum(0), n))
    stacked = Moments(*(torch.stack(part) for part in zip(*parts, strict=True)))
    return stacked.total() if fold is None else stacked


def weighted_moments(z: torch.Tensor, y: torch.Tensor, weight: torch.Tensor) -> Moments:
    """Statistics of every unit with weights of its own: z (pair, regressor), y and weight (unit, pair).

    All have a leading axis over units, n too, which is the sum of the weights.
    """
    ZZ = torch.stack([(z.T * one) @ z for one in weight])
    return Moments(ZZ, (weight * y) @ z, (weight * y**2).sum(1), weight.sum(1))


def of_each(W: torch.Tensor, ZZ: torch.Tensor) -> torch.Tensor:
    """W_i ZZ_i (unit, regressor), with a scatter matrix for every unit or one for all."""
    return (W[:, None] @ ZZ)[:, 0]


def squared_error_of_each(m: Moments, W: torch.Tensor) -> torch.Tensor:
    """Sum over pairs of (y - W z)^2, (unit,), with a scatter matrix for every unit or one for all."""
    return m.YY - 2 * (W * m.YZ).sum(1) + (of_each(W, m.ZZ) * W).sum(1)


def inputs_free(block: Array, input_power: Array) -> Array:
    """Penalties (target region, source): those of regions (target region, source region), inputs and bias nearly free.

    input_power : (input,) sum of squares of each input, which makes its penalty free of its unit.
    """
    others = np.append(np.maximum(WEAK * input_power, HAIR), HAIR)
    return np.concatenate([block, np.broadcast_to(others, (len(block), len(others)))], axis=1)


def solve(m: Moments, penalty: torch.Tensor, rows: Array | slice = slice(None)) -> torch.Tensor:
    """W (..., row, regressor) = YZ (ZZ + penalty)^-1."""
    factor = torch.linalg.cholesky(m.ZZ + torch.diag(penalty))
    return torch.cholesky_solve(m.YZ[..., rows, :].mT, factor).mT


def squared_error(m: Moments, W: torch.Tensor, rows: Array | slice = slice(None)) -> torch.Tensor:
    """Sum over pairs of (y - W z)^2, (..., row)."""
    cross = (W * m.YZ[..., rows, :]).sum(-1)
    return m.YY[..., rows] - 2 * cross + ((W @ m.ZZ) * W).sum(-1)


def held_out_errors(folds: Moments, rest: Moments, penalty: torch.Tensor) -> torch.Tensor:
    """(fold, unit) held-out squared error as a share of the unit's total sum of squares over all folds.

    rest : what the weights are solved from, for each fold all others (`Moments.without`).
    """
    # A unit that never moves has nothing to explain; the floor keeps its share finite.
    return squared_error(folds, solve(rest, penalty)) / folds.YY.sum(0).clamp_min(1e-12)


def choose_penalties(folds: Moments, source: Array, start: Array) -> Array:
    """Penalty of each block, (target region, source), by held-out error on the training folds.

    For every target region: first one value for all regions on a grid of decades, then own against others, then one
    region at a time in half decades until nothing improves. Inputs and bias keep the penalties that they start with.
    """
    chosen, without, n_regions = start.copy(), folds.without(), len(start)
    for target in range(n_regions):
        own = np.flatnonzero(source == target)
        test, train, seen = folds.of(own), without.of(own), dict[bytes, float]()

        def error(block: Array, test: Moments = test, train: Moments = train, seen: dict[bytes, float] = seen) -> float:
            key = np.log10(block).round(6).tobytes()
            if key not in seen:
                errors = held_out_errors(test, train, tensor(block[source]))
                seen[key] = float(errors.sum(0).mean())
            return seen[key]

        best = min((np.append(np.full(n_regions, value), start[target, n_regions:]) for value in GRID), key=error)
        others = [one for one in range(n_regions) if one != target]
        groups = [[target], others] if len(others) > 1 else []
        best = _descend(best, groups, error, factor=10.0)
        best = _descend(best, [[one] for one in range(n_regions)], error, factor=np.sqrt(10.0))
        chosen[target] = best
    return chosen


def _descend(start: Array, groups: list[list[int]], error: Callable[[Array], float], factor: float) -> Array:
    """Coordinate descent over groups of blocks in steps of ``factor``, inside the range of the grid."""
    best = start.copy()
    for _ in range(SWEEPS):
        before = best.copy()
        for group in groups:
            for step in (factor, 1 / factor):
                while True:
                    trial = best.copy()
                    trial[group] = np.clip(trial[group] * step, GRID[0], GRID[-1])
                    # A gain below 1e-5 is not worth another solve.
                    if np.array_equal(trial, best) or error(trial) >= error(best) * (1 - 1e-5):
                        break
                    best = trial
        if np.array_equal(best, before):
            break
    return best


def solve_blocks(total: Moments, source: Array, penalty: Array) -> Array:
    """W (unit, regressor) with the penalties (target region, source)."""
    W = np.empty(tuple(total.YZ.shape))
    for target, block in enumerate(penalty):
        rows = np.flatnonzero(source == target)
        W[rows] = solve(total, tensor(block[source]), rows).cpu().numpy()
    return W
