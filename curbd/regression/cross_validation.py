"""Choice of penalties by cross-validation: the penalties under which held-out folds are predicted best.

Close to a solved regression, another penalty on a single source changes the solution by a matrix of the rank of that
source (Woodbury's identity). Penalties of single sources therefore cost no factorisation of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.tensors import tensor
from curbd.regression.moments import LEAST_SUM_OF_SQUARES, Moments, cholesky, inverse_of, squared_error
from curbd.regression.ridge import PENALTY_GRID, ridge_weights

Array = np.ndarray
MAX_DESCENT_ROUNDS = 4
"""Largest number of rounds of coordinate descent on penalties."""
LEAST_ERROR_GAIN = 1e-5
"""Smallest relative decrease of the held-out error for which a penalty is changed."""
Error = Callable[[Array], float]
"""Function of the penalties (source,) of a target region, that returns the held-out error."""
Around = Callable[[Array, list[int]], Error]
"""Function of penalties (source,) and of a group of sources, that returns the error of penalties that differ from these
in the group only."""


def held_out_errors(folds: Moments, rest: Moments, penalty: torch.Tensor) -> torch.Tensor:
    """Return the held-out squared error of every unit, as a share of the unit's sum of squares over all folds.

    Parameters
    ----------
    folds : moments of each fold, on which the error is measured.
    rest : moments of all other folds for each fold, from which the weights are solved (see `Moments.without`).
    penalty : (regressor,) ridge penalties.

    Returns
    -------
    (fold, unit) error as a share.
    """
    return squared_error(folds, ridge_weights(rest, penalty)) / _squares(folds)


def choose_penalties(folds: Moments, source: Array, start: Array) -> Array:
    """Choose the penalty of every block by cross-validation: the penalties with the smallest held-out error.

    The search has three stages for every target region. First, one penalty for all source regions is chosen from
    `PENALTY_GRID`. Then the penalty of the target region itself as a source, and the common penalty of all other source
    regions, are changed in factors of 10. Finally the penalties of single source regions are changed in factors of
    sqrt(10). A stage ends when no change improves the held-out error.

    Parameters
    ----------
    folds : moments of each fold.
    source : (regressor,) index of the source that each regressor belongs to.
    start : (target region, source) penalties; the penalties of inputs and bias are kept.

    Returns
    -------
    (target region, source) penalties.
    """
    chosen, without, n_regions = start.copy(), folds.without(), len(start)
    for target in range(n_regions):
        own = np.flatnonzero(source == target)
        errors = _Errors(folds.of_units(own), without.of_units(own), source)
        of_others = start[target, n_regions:]
        best = min((np.append(np.full(n_regions, value), of_others) for value in PENALTY_GRID), key=errors)
        other_regions = [region for region in range(n_regions) if region != target]
        groups = [[target], other_regions] if len(other_regions) > 1 else []
        best = _descend(best, groups, errors.around, factor=10.0)
        single_regions = [[region] for region in range(n_regions)]
        chosen[target] = _descend(best, single_regions, _SingleSources(errors, best), factor=np.sqrt(10.0))
    return chosen


def _squares(folds: Moments) -> torch.Tensor:
    """Sum of squares of every unit (unit,) over all folds; not 0 for a unit whose current is always 0."""
    return folds.YY.sum(0).clamp_min(LEAST_SUM_OF_SQUARES)


class _Errors:
    """Held-out errors of one target region, mean over its units; no error is computed twice.

    Parameters
    ----------
    folds, rest : moments of each fold and of all other folds, with the currents of the units of the target.
    source : (regressor,) index of the source that each regressor belongs to.
    """

    def __init__(self, folds: Moments, rest: Moments, source: Array) -> None:
        self.folds, self.rest, self.source = folds, rest, source
        self.known: dict[bytes, float] = {}

    def __call__(self, block: Array) -> float:
        """Compute the error of penalties (source,)."""

        def solved() -> float:
            return float(held_out_errors(self.folds, self.rest, tensor(block[self.source])).sum(0).mean())

        return self.known_or(block, solved)

    def around(self, block: Array, group: list[int]) -> Error:
        """Return these errors, for any penalties."""
        return self

    def known_or(self, block: Array, computed: Callable[[], float]) -> float:
        """Return the known error of penalties (source,), or else the error that a function computes."""
        key = np.log10(block).round(6).tobytes()
        if key not in self.known:
            self.known[key] = computed()
        return self.known[key]


class _Step(NamedTuple):
    """Sums behind a change of the penalty of one source, in every fold.

    Attributes
    ----------
    source : index of the source.
    columns : (column,) regressors of the source.
    rows : (fold, column, regressor) rows of the inverse.
    sent : (fold, column, regressor) these rows times the Gram matrix of the fold.
    gram : (fold, column, column) the same times the transposed rows.
    reach : (fold, unit, column) sums of the held-out error times z', multiplied with the rows.
    """

    source: int
    columns: Array
    rows: torch.Tensor
    sent: torch.Tensor
    gram: torch.Tensor
    reach: torch.Tensor

    def within(self, change: float) -> torch.Tensor:
        """Return the Cholesky factor of 1 + change C (fold, column, column), with the source's columns in the rows C.

        The matrix is positive definite, because the changed penalty is positive. LU factors of torch are avoided: those
        of a stack of large matrices never end with several threads of oneMKL.
        """
        rows = self.rows[:, :, self.columns]
        return cholesky(torch.eye(len(self.columns), dtype=rows.dtype, device=rows.device) + change * rows)


class _SingleSources:
    """Held-out errors of one target region where the penalty of a single source changes.

    Parameters
    ----------
    errors : the held-out errors of the target region.
    block : (source,) penalties from which the search starts.
    """

    def __init__(self, errors: _Errors, block: Array) -> None:
        self.errors, self.block = errors, block.copy()
        gram = errors.rest.ZZ + torch.diag(tensor(block[errors.source]))
        self.inverse = inverse_of(cholesky(gram))
        self.W = errors.rest.YZ @ self.inverse
        self.error_z = errors.folds.YZ - self.W @ errors.folds.ZZ
        self.step: _Step | None = None

    def __call__(self, block: Array, group: list[int]) -> Error:
        """Return the error of penalties that differ from the given penalties in one source only."""
        (source,) = group
        for changed_source in np.flatnonzero(block != self.block):
            self._move(int(changed_source), float(block[changed_source]))

        def error(changed: Array) -> float:
            return self.errors.known_or(changed, lambda: self._error(source, float(changed[source])))

        return error

    def _step_of(self, source: int) -> _Step:
        """Compute the sums behind a change of the penalty of a source, unless they are those of the last change."""
        if self.step is None or self.step.source != source:
            columns = np.flatnonzero(self.errors.source == source)
            rows = self.inverse[:, columns]
            sent = rows @ self.errors.folds.ZZ
            self.step = _Step(source, columns, rows, sent, sent @ rows.mT, self.error_z @ rows.mT)
        return self.step

    def _move(self, source: int, penalty: float) -> None:
        """Solve the regression with another penalty of one source."""
        step, change = self._step_of(source), penalty - float(self.block[source])
        K = self._lost_weights(step, change)
        self.W = self.W - K @ step.rows
        self.error_z = self.error_z + K @ step.sent
        self.inverse.baddbmm_(step.rows.mT, torch.cholesky_solve(step.rows, step.within(change)), alpha=-change)
        self.block[source] = penalty
        self.step = None

    def _error(self, source: int, penalty: float) -> float:
        """Compute the error with another penalty of one source."""
        folds, step = self.errors.folds, self._step_of(source)
        K = self._lost_weights(step, penalty - float(self.block[source]))
        before = folds.YY - (self.W * (folds.YZ + self.error_z)).sum(-1)
        lost = (K * (2 * step.reach + K @ step.gram)).sum(-1)
        return float(((before + lost) / _squares(folds)).sum(0).mean())

    def _lost_weights(self, step: _Step, change: float) -> torch.Tensor:
        """Return K (fold, unit, column): with another penalty the weights lose K times the rows of the inverse."""
        return change * torch.cholesky_solve(self.W[:, :, step.columns].mT, step.within(change)).mT


def _descend(start: Array, groups: Sequence[list[int]], around: Around, factor: float) -> Array:
    """Coordinate descent over groups of blocks in steps of ``factor``, inside the range of `PENALTY_GRID`."""
    best = start.copy()
    for _ in range(MAX_DESCENT_ROUNDS):
        before = best.copy()
        for group in groups:
            error = around(best, group)
            for step in (factor, 1 / factor):
                while True:
                    trial = best.copy()
                    trial[group] = np.clip(trial[group] * step, PENALTY_GRID[0], PENALTY_GRID[-1])
                    if np.array_equal(trial, best) or error(trial) >= error(best) * (1 - LEAST_ERROR_GAIN):
                        break
                    best = trial
        if np.array_equal(best, before):
            break
    return best
