"""What the past of the recorded units tells, and what a source adds to the present and the past of all other sources.

If everything that drives a region is recorded, its next state depends on the present alone. Unrecorded units store the
past, because each of them integrates its inputs with the time constant of a unit; measurement noise, smoothing, a slow
indicator and a wrong time constant have a similar effect. The rates and the inputs, filtered with the time constant,
are therefore offered to the regression of the currents as further regressors, and three questions are asked:

- How much does the past add? (by the evidence)
- How much does a source, present and past, add to the present and the past of all other sources? (on held-out folds)
- How much does the present of an input add to everything else, the past of the input included? (on held-out folds) The
  answer tells an input that enters a region from an input that reaches the region by way of other units, because other
  units pass an input on no earlier than in the next bin.

All answers come from the second moments of every fold, so that their cost hardly grows with the recording.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.tensors import tensor
from curbd.pathways.tridiagonal import Tridiagonal
from curbd.regression.moments import (
    LEAST_SUM_OF_SQUARES,
    WEAK_INPUT_PENALTY,
    Block,
    Moments,
    block_slices,
    cholesky,
    inverse_of,
    penalised,
    quadratic_forms,
    scatter,
    summed_moments,
)
from curbd.regression.ridge_factors import MAX_ROUNDING_SHARE

Array = np.ndarray
PAST_PENALTIES = 10.0 ** np.arange(-2, 9, 0.25)
"""Penalties on the past that are tried, for regressors of unit power."""
RESIDUAL_ROUNDING_SHARE = 1e-10
"""Share of the squared current below which a residual is a rounding error."""
PENALTY_STEP = 10.0
"""Factor by which the penalty on the past is raised as long as the held-out error falls."""
SINGLE_PRECISION_REGRESSORS = 400
"""Regressions on at least this number of regressors are factorised in single precision, where that is exact enough."""
INVERTED_ROWS_SHARE = 0.1
"""Share of the rows of an inverse for which the whole inverse is computed, and not a solution for every row."""
FOLDS = 5
"""Number of folds of trials, each of which is held out in turn."""


@dataclass(frozen=True)
class PastRegression:
    """The regression of the currents on the present and the past of all sources.

    Attributes
    ----------
    folds : moments of every fold; the regressors are [r, u, 1], the past of r and the past of u.
    source : (regressor of the present,) index of the source: the regions, then the inputs, then the bias.
    n_units, n_inputs : numbers of units and inputs.
    """

    folds: Moments
    source: Array
    n_units: int
    n_inputs: int

    @cached_property
    def total(self) -> Moments:
        """Moments of all folds."""
        return self.folds.total()

    def fold(self, index: int, units: Array) -> tuple[Moments, Moments]:
        """Return the moments of a fold and those of all folds, with the currents of some units."""
        return Moments(*(field[index] for field in self.folds)).of_units(units), self.total.of_units(units)

    @property
    def n_present(self) -> int:
        """Number of regressors of the present."""
        return len(self.source)

    @property
    def source_of_all(self) -> Array:
        """(regressor,) index of the source of every regressor, present and past."""
        return np.concatenate([self.source, self.source[: self.n_units + self.n_inputs]])


class TargetPast(NamedTuple):
    """What the past and the sources add to the prediction of the current of one target region.

    Shares are of the held-out variance of the current, mean over the units of the target.

    Attributes
    ----------
    memory_nats : log Bayes factor for a dependence on the past of the recorded units, at least 0.
    memory_share : share that the past of the recorded units adds to their present, by the evidence (see
        `gained_share`).
    unique_share : (source,) share that a source, present and past, adds to the present and past of all other sources.
    unique_t : (source,) this share divided by its standard error over folds.
    immediate_share : (input,) share that the present of an input adds to all else, the past of the input included.
    """

    memory_nats: float
    memory_share: float
    unique_share: Array
    unique_t: Array
    immediate_share: Array


def past_regression(z: Array, y: Array, source: Array, n_units: int, D: float) -> PastRegression:
    """Compute the moments of the regression of currents on the present and the past of all sources.

    Parameters
    ----------
    z : (trial, time, regressor) presynaptic activity [r, u, 1]; NaN where a transition is missing.
    y : (trial, time, unit) total current of these transitions, in the (dimensionless) units of the state x.
    source : (regressor,) index of the source of each regressor: the regions, then the inputs, then the bias.
    n_units : number of units.
    D : share of a state that is left after one bin without input (see `curbd.network.equation.decay`).

    Returns
    -------
    The moments of every fold.
    """
    fold = fold_of_transition(np.isfinite(z).all(2) & np.isfinite(y).all(2))

    def blocks() -> Iterator[Block]:
        for trials in block_slices(len(z), z[0].size):
            chosen = fold[trials] >= 0
            regressors = np.concatenate([z[trials][chosen], past(z[trials, :, :-1], D)[chosen]], axis=1)
            yield Block(regressors, y[trials][chosen], fold[trials][chosen])

    folds = summed_moments(blocks(), FOLDS)
    scale = (folds.ZZ.diagonal(dim1=1, dim2=2).sum(0) / folds.n.sum()).sqrt()
    scale[: z.shape[2]] = 1.0
    inverse = 1 / torch.where(scale > 0, scale, 1.0)
    folds.ZZ.mul_(inverse[:, None] * inverse)
    folds.YZ.mul_(inverse)
    return PastRegression(folds=folds, source=source, n_units=n_units, n_inputs=z.shape[2] - n_units - 1)


def past(values: Array, D: float) -> Array:
    """Filter values (trial, time, column) over their past: f_next = D f + (1 - D) r, from 0 after every gap."""
    filtered, missing = np.zeros_like(values), ~np.isfinite(values).all(2)
    for time in range(1, values.shape[1]):
        filtered[:, time] = D * filtered[:, time - 1] + (1 - D) * values[:, time - 1]
        filtered[missing[:, time - 1], time] = 0.0
    return filtered


def fold_of_transition(complete: Array) -> Array:
    """Assign transitions to `FOLDS` folds: whole trials in turn, or stretches of time if there are too few trials.

    Parameters
    ----------
    complete : (trial, time) bool, True for the transitions.

    Returns
    -------
    (trial, time) index of the fold; -1 where there is no transition.
    """
    trial = np.unique(np.nonzero(complete)[0], return_inverse=True)[1]
    whole = len(trial) and trial[-1] + 1 >= FOLDS
    fold = np.full(complete.shape, -1)
    fold[complete] = trial % FOLDS if whole else np.arange(len(trial)) * FOLDS // max(len(trial), 1)
    return fold


def target_past(regression: PastRegression, units: Array, ridge: Array) -> TargetPast:
    """Measure what the past and the sources add to the prediction of the current of one target region.

    Parameters
    ----------
    regression : moments of the regression on present and past.
    units : indices of the units of the target.
    ridge : (regressor of the present,) penalties on the present.

    Returns
    -------
    The hint of memory and the evidence on every source.
    """
    m, total = regression.n_present, regression.total.of_units(units)
    present_and_past_of_units = m + regression.n_units
    nats, past_penalty = log_odds(_of_regressors(total, present_and_past_of_units), m, tensor(ridge))
    target = _Target(regression, units, tensor(ridge), squares_about_mean(total, m - 1))
    added = target.added_in_single_precision(past_penalty) or target.added(past_penalty, torch.float64)
    assert added is not None
    return TargetPast(
        memory_nats=nats,
        memory_share=gained_share(nats, float(total.n) * len(units)) * min(added.error, 1.0),
        # Of few transitions, the prediction without a source can be worse than the mean: more than all is lost.
        unique_share=np.minimum(added.unique.mean(1), 1.0),
        unique_t=_over_standard_error(added.unique),
        immediate_share=np.minimum(added.immediate.mean(1), 1.0),
    )


class _Added(NamedTuple):
    """What sources add to the prediction of a target, as shares of its variance.

    Attributes
    ----------
    error : held-out error of all sources together.
    unique : (source, fold) what the present and the past of a source add.
    immediate : (input, fold) what the present of an input adds to its own past and to all other sources.
    """

    error: float
    unique: Array
    immediate: Array


class _Target(NamedTuple):
    """The regression of one target on present and past.

    Attributes
    ----------
    regression : moments of the regression.
    units : indices of the units of the target.
    ridge : (regressor of the present,) penalties on the present.
    variance : (unit,) sum of the squares of the current about its mean.
    """

    regression: PastRegression
    units: Array
    ridge: torch.Tensor
    variance: torch.Tensor

    def added_in_single_precision(self, past_penalty: float) -> _Added | None:
        """Measure what sources add in single precision; None if it is too low, or the regression is small."""
        if len(self.regression.source_of_all) < SINGLE_PRECISION_REGRESSORS:
            return None
        try:
            return self.added(past_penalty, torch.float32)
        except torch.linalg.LinAlgError:
            return None

    def added(self, past_penalty: float, precision: torch.dtype) -> _Added | None:
        """Measure what sources add in every fold, with the penalty on the past that predicts best.

        Parameters
        ----------
        past_penalty : smallest penalty on the past.
        precision : of the factorisations.

        Returns
        -------
        What sources add; None if the precision is too low.
        """
        held_out, past_penalty = self._best(past_penalty, precision)
        error = self._mean_error(held_out)
        regression = self.regression
        inputs = regression.n_units + np.arange(regression.n_inputs)
        of_sources = [np.flatnonzero(regression.source_of_all == source) for source in range(regression.source.max())]
        # The past of the inputs is nearly free here, so that their present is left with nothing that their past tells.
        free_penalty = self._penalty_of_past(past_penalty, WEAK_INPUT_PENALTY * float(regression.total.n))
        unique, immediate = np.empty((len(of_sources), FOLDS)), np.empty((len(inputs), FOLDS))
        # The inverse of a fold is as large as its moments, and is gone before the next.
        for index in range(FOLDS):
            solved = held_out.pop(0)
            corrected, rounding_share = solved.corrected()
            if rounding_share > MAX_ROUNDING_SHARE:
                return None
            unique[:, index] = self._share_of_fold(corrected.lost_without(of_sources))
            if len(inputs):
                free, rounding_share = solved.rest.held_out(free_penalty).corrected()
                if rounding_share > MAX_ROUNDING_SHARE:
                    return None
                immediate[:, index] = self._share_of_fold(free.lost_without(list(inputs[:, None])))
        return _Added(error, unique, immediate)

    def _best(self, past_penalty: float, precision: torch.dtype) -> tuple[list[HeldOut], float]:
        """Solve the regression without each fold; raise the penalty on the past as long as the held-out error falls.

        The evidence of a model that is wrong likes weaker penalties than held-out trials do.
        """
        folds = (self.regression.fold(index, self.units) for index in range(FOLDS))
        rests = [RestOfFold(*of_fold, self.ridge, precision) for of_fold in folds]

        def solved(penalty: float) -> list[HeldOut]:
            return [rest.held_out(self._penalty_of_past(penalty, penalty)) for rest in rests]

        held_out = solved(past_penalty)
        while past_penalty < PAST_PENALTIES[-1]:
            stronger = solved(past_penalty * PENALTY_STEP)
            if self._mean_error(stronger) > self._mean_error(held_out):
                break
            past_penalty, held_out = past_penalty * PENALTY_STEP, stronger
        return held_out, past_penalty

    def _penalty_of_past(self, of_units: float, of_inputs: float) -> torch.Tensor:
        """Penalties (regressor of the past,) from those of the units and those of the inputs."""
        penalty = self.ridge.new_full((self.regression.n_units + self.regression.n_inputs,), of_inputs)
        penalty[: self.regression.n_units] = of_units
        return penalty

    def _mean_error(self, held_out: Sequence[HeldOut]) -> float:
        error = torch.stack([solved.error for solved in held_out]).sum(0)
        return float((error / self.variance).nanmean())

    def _share_of_fold(self, lost: torch.Tensor) -> Array:
        """Shares of the variance of a fold (group,), from squared errors (group, unit) that are lost."""
        return np.asarray((lost * FOLDS / self.variance).nanmean(1).cpu().numpy())


class RestOfFold:
    """The regression of one target on present and past without one fold, for changing penalties on the past.

    The present is taken out of the past once, so that another penalty on the past costs a factorisation of the size of
    the past alone.

    Parameters
    ----------
    fold : moments of the fold, of the units of the target.
    total : moments of all folds.
    ridge : (regressor of the present,) penalties on the present.
    precision : of the factorisations.
    """

    def __init__(
        self, fold: Moments, total: Moments, ridge: torch.Tensor, precision: torch.dtype = torch.float64
    ) -> None:
        self.fold, self.total, self.ridge = fold, total, ridge
        present, past_alone = slice(len(ridge)), slice(len(ridge), None)
        ZZ = (total.ZZ - fold.ZZ).to(precision)
        self.of_present = cholesky(penalised(ZZ[present, present], ridge.to(precision)))
        self.across = torch.linalg.solve_triangular(self.of_present, ZZ[present, past_alone], upper=False).mT
        self.left = ZZ[past_alone, past_alone] - scatter(self.across.mT)
        self.current = self._without_present(self.YZ)

    @property
    def YZ(self) -> torch.Tensor:
        """(unit, regressor) moments of the currents of all other folds."""
        return self.total.YZ - self.fold.YZ

    @cached_property
    def ZZ(self) -> torch.Tensor:
        """(regressor, regressor) Gram matrix of all other folds, which is kept as long as these folds are solved."""
        return self.total.ZZ - self.fold.ZZ

    def held_out(self, penalty: torch.Tensor) -> HeldOut:
        """Solve the regression with penalties (regressor of the past,) on the past."""
        of_past = cholesky(penalised(self.left, penalty.to(self.left.dtype)))
        return HeldOut(
            fold=self.fold,
            W=self._solution(*self.current, of_past),
            rest=self,
            of_past=of_past,
            penalty=torch.cat([self.ridge, penalty]),
        )

    def solution(self, right: torch.Tensor, of_past: torch.Tensor) -> torch.Tensor:
        """Solve X (Gram + penalty) = right for X (row, regressor), in the precision of the factors.

        Parameters
        ----------
        right : (row, regressor) right sides.
        of_past : (regressor of the past, regressor of the past) Cholesky factor of the past without the present.
        """
        return self._solution(*self._without_present(right), of_past)

    def _without_present(self, right: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Divide right sides (row, regressor) into what the present explains, and the past without the present."""
        present, past_alone = right.to(self.left.dtype).mT.split([len(self.of_present), len(self.left)])
        by_present = torch.linalg.solve_triangular(self.of_present, present, upper=False)
        return by_present, past_alone - self.across @ by_present

    def _solution(self, by_present: torch.Tensor, left: torch.Tensor, of_past: torch.Tensor) -> torch.Tensor:
        X_past = torch.cholesky_solve(left, of_past)
        X_present = torch.linalg.solve_triangular(self.of_present.mT, by_present - self.across.mT @ X_past, upper=True)
        return torch.cat([X_present, X_past]).mT.double()

    def factor(self, of_past: torch.Tensor) -> torch.Tensor:
        """Join the factors of present and past to the Cholesky factor (regressor, regressor) of both."""
        n = len(self.of_present)
        factor = of_past.new_zeros((n + len(of_past),) * 2)
        factor[:n, :n], factor[n:, :n], factor[n:, n:] = self.of_present, self.across, of_past
        return factor


@dataclass(frozen=True)
class HeldOut:
    """A regression on present and past that is solved without one fold and measured in this fold.

    Attributes
    ----------
    fold : moments of the fold, of the units of one target.
    W : (unit, regressor) weights from all other folds.
    rest : what is the same for all penalties on the past.
    of_past : (regressor of the past, regressor of the past) Cholesky factor of the past without the present, penalised.
    penalty : (regressor,) penalties.
    """

    fold: Moments
    W: torch.Tensor
    rest: RestOfFold
    of_past: torch.Tensor
    penalty: torch.Tensor

    @cached_property
    def error_z(self) -> torch.Tensor:
        """(unit, regressor) sums over the transitions of the fold of the error times z'."""
        return self.fold.YZ - self.W @ self.fold.ZZ

    @cached_property
    def error(self) -> torch.Tensor:
        """(unit,) squared error in the fold."""
        return self.fold.YY - 2 * (self.W * self.fold.YZ).sum(-1) + quadratic_forms(self.W, self.fold.ZZ)

    def corrected(self) -> tuple[HeldOut, float]:
        """Correct the weights for rounding errors of single precision.

        Returns
        -------
        The regression with corrected weights, and the size of the correction, as a share of the size of the weights.
        """
        W = self._corrected(self.rest.YZ, self.W)
        return replace(self, W=W), float((W - self.W).norm() / W.norm().clamp_min(LEAST_SUM_OF_SQUARES))

    def _corrected(self, right: torch.Tensor, solution: torch.Tensor) -> torch.Tensor:
        """Correct the solution X of X (Gram + penalty) = right for rounding errors, by iterative refinement."""
        if self.of_past.dtype == torch.float64:
            return solution
        residual = right - solution @ self.rest.ZZ - solution * self.penalty
        return solution + self.rest.solution(residual, self.of_past)

    def _rows(self, columns: Array) -> torch.Tensor:
        """Return rows (column, regressor) of the inverse of the penalised Gram matrix of all other folds, by index."""
        if INVERTED_ROWS_SHARE * len(self.penalty) < len(columns):
            return inverse_of(self.rest.factor(self.of_past))[columns]
        identity = torch.eye(len(self.penalty), dtype=self.W.dtype, device=self.W.device)[columns]
        return self._corrected(identity, self.rest.solution(identity, self.of_past))

    def lost_without(self, groups: Sequence[Array]) -> torch.Tensor:
        """Return by how much the squared error rises (group, unit) if a group of regressors is left out.

        Parameters
        ----------
        groups : indices of the regressors of every group.
        """
        # One product for all groups, in single precision: of a sum of squares a millionth is lost.
        changes = torch.empty((len(groups), *self.W.shape), dtype=torch.float32, device=self.W.device)
        across = torch.empty(changes.shape[:2], dtype=torch.float64, device=self.W.device)
        of_groups = self._rows(np.concatenate(groups)).split([len(columns) for columns in groups])
        for index, (columns, rows) in enumerate(zip(groups, of_groups, strict=True)):
            change = torch.linalg.solve(rows[:, columns], self.W[:, columns].to(rows.dtype), left=False) @ rows
            changes[index] = change
            across[index] = (change * self.error_z).sum(-1)
        squares = quadratic_forms(changes.flatten(0, 1), self.fold.ZZ.float())
        return 2 * across + squares.double().view(across.shape)


def gained_share(nats: float, n_values: float) -> float:
    """Convert a log Bayes factor to the share by which it lowers the squared error of predictions.

    The evidence is the probability of every value given all values before it. A log Bayes factor of L nats over n
    values is therefore what a prediction gains whose squared error falls by the factor exp(-2 L / n). Unlike the Bayes
    factor, the share does not grow with the number of values.

    Parameters
    ----------
    nats : log Bayes factor, at least 0.
    n_values : number of values that are predicted: bins times units.

    Returns
    -------
    The share, from 0 to 1.
    """
    return float(-np.expm1(-2 * nats / n_values)) if n_values else 0.0


def log_odds(m: Moments, n_present: int, ridge: torch.Tensor) -> tuple[float, float]:
    """Compute the log Bayes factor for a dependence of the current on additional regressors.

    The Bayes factor compares the evidence with and without the additional regressors. The additional regressors share
    one penalty, the best of `PAST_PENALTIES`.

    Parameters
    ----------
    m : moments of the currents of some units on the regressors of the present, followed by the additional regressors.
    n_present : number of regressors of the present.
    ridge : (regressor of the present,) penalties on the regressors of the present.

    Returns
    -------
    The log Bayes factor in nats, at least 0, and the best penalty on the additional regressors.
    """
    present, further = slice(n_present), slice(n_present, None)
    factor = cholesky(m.ZZ[present, present] + torch.diag(ridge))
    added_by_present = torch.linalg.solve_triangular(factor, m.ZZ[present, further], upper=False)
    current_by_present = torch.linalg.solve_triangular(factor, m.YZ[:, present].T, upper=False)
    # The additional regressors minus what the present regressors explain of them.
    left = m.ZZ[further, further] - scatter(added_by_present)
    product = m.YZ[:, further].T - added_by_present.T @ current_by_present
    further_alone = Tridiagonal.of(left.cpu().numpy(), product.cpu().numpy())
    squares = m.YY.cpu().numpy()
    unexplained = np.maximum(
        squares - current_by_present.square().sum(0).cpu().numpy(), RESIDUAL_ROUNDING_SHARE * squares
    )
    evidence = np.full(len(PAST_PENALTIES), -np.inf)
    for index, penalty in enumerate(PAST_PENALTIES):
        solved = further_alone.penalised(penalty)
        if solved is not None:
            gain = solved.forms / np.maximum(unexplained, 1e-300)
            fit = -float(m.n) * np.log(np.maximum(1 - gain, RESIDUAL_ROUNDING_SHARE)).sum()
            evidence[index] = fit - len(squares) * (solved.log_determinant - len(left) * np.log(penalty))
    best = int(evidence.argmax())
    return max(float(evidence[best]) / 2, 0.0), float(PAST_PENALTIES[best])


def _of_regressors(m: Moments, n: int) -> Moments:
    """Select the moments of the first regressors."""
    return m._replace(ZZ=m.ZZ[..., :n, :n], YZ=m.YZ[..., :n])


def squares_about_mean(total: Moments, constant: int) -> torch.Tensor:
    """Return the sum of squares of every unit about its mean; NaN for a unit whose current does not vary.

    Parameters
    ----------
    total : moments of the currents.
    constant : index of the regressor that is always 1.
    """
    squares = total.YY - total.YZ[:, constant] ** 2 / total.n.clamp_min(1)
    varies = squares > torch.clamp(RESIDUAL_ROUNDING_SHARE * total.YY, min=LEAST_SUM_OF_SQUARES)
    return torch.where(varies, squares, torch.nan)


def _over_standard_error(shares: Array) -> Array:
    """Divide the mean of shares (row, fold) over folds by its standard error; 0 where all folds agree exactly."""
    error = shares.std(1, ddof=1) / np.sqrt(shares.shape[1])
    return np.divide(shares.mean(1), error, out=np.zeros(len(shares)), where=error > 0)
