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
from curbd.regression.moments import (
    LEAST_SUM_OF_SQUARES,
    WEAK_INPUT_PENALTY,
    Block,
    Moments,
    block_slices,
    scatter,
    summed_moments,
)

Array = np.ndarray
PAST_PENALTIES = 10.0 ** np.arange(-2, 9, 0.25)
"""Penalties on the past that are tried, for regressors of unit power."""
RESIDUAL_ROUNDING_SHARE = 1e-10
"""Share of the squared current below which a residual is a rounding error."""
PENALTY_STEP = 10.0
"""Factor by which the penalty on the past is raised as long as the held-out error falls."""
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
        """Return the moments of a fold and those of all other folds, with the currents of some units."""
        fold, total = (Moments(*(field[index] for field in self.folds)).of_units(units), self.total.of_units(units))
        return fold, Moments(*(of_all - of_fold for of_all, of_fold in zip(total, fold, strict=True)))

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
    inputs = regression.n_units + np.arange(regression.n_inputs)
    nats, past_penalty = log_odds(_of_regressors(total, m + regression.n_units), m, tensor(ridge))
    variance = squares_about_mean(total, m - 1)
    rests = [RestOfFold(*regression.fold(index, units), tensor(ridge)) for index in range(FOLDS)]

    def mean_error(held_out: Sequence[HeldOut]) -> float:
        error = torch.stack([solved.error for solved in held_out]).sum(0)
        return float((error / variance).nanmean())

    def added(lost: torch.Tensor) -> Array:
        """Shares of the variance of a fold (group,), from squared errors (group, unit) that are lost."""
        return np.asarray((lost * FOLDS / variance).nanmean(1).cpu().numpy())

    held_out = [rest.held_out(past_penalty) for rest in rests]
    # The evidence of a model that is wrong likes weaker penalties than held-out trials do.
    while past_penalty < PAST_PENALTIES[-1]:
        stronger = [rest.held_out(past_penalty * PENALTY_STEP) for rest in rests]
        if mean_error(stronger) > mean_error(held_out):
            break
        past_penalty, held_out = past_penalty * PENALTY_STEP, stronger
    error = mean_error(held_out)
    of_sources = [np.flatnonzero(regression.source_of_all == source) for source in range(int(regression.source.max()))]
    # The past of the inputs is nearly free here, so that their present is left with nothing that their past can tell.
    change = WEAK_INPUT_PENALTY * float(total.n) - past_penalty
    unique, immediate = np.empty((len(of_sources), FOLDS)), np.empty((len(inputs), FOLDS))
    # The inverse of a fold is as large as its moments, and is gone before the next.
    for index in range(FOLDS):
        solved = held_out.pop(0)
        unique[:, index] = added(solved.lost_without(of_sources))
        if len(inputs):
            free = solved.with_changed_penalty(m + inputs, change)
            immediate[:, index] = added(free.lost_without(list(inputs[:, None])))
    return TargetPast(
        memory_nats=nats,
        memory_share=gained_share(nats, float(total.n) * len(units)) * min(error, 1.0),
        # Of few transitions, the prediction without a source can be worse than the mean: more than all is lost.
        unique_share=np.minimum(unique.mean(1), 1.0),
        unique_t=_over_standard_error(unique),
        immediate_share=np.minimum(immediate.mean(1), 1.0),
    )


class RestOfFold:
    """The regression of one target on present and past without one fold, for changing penalties on the past.

    The present is taken out of the past once, so that another penalty on the past costs a factorisation of the size of
    the past alone.

    Parameters
    ----------
    fold : moments of the fold, of the units of the target.
    rest : moments of all other folds.
    ridge : (regressor of the present,) penalties on the present.
    """

    def __init__(self, fold: Moments, rest: Moments, ridge: torch.Tensor) -> None:
        self.fold = fold
        present, past_alone = slice(len(ridge)), slice(len(ridge), None)
        self.of_present = torch.linalg.cholesky(rest.ZZ[present, present] + torch.diag(ridge))
        self.across = torch.linalg.solve_triangular(self.of_present, rest.ZZ[present, past_alone], upper=False).mT
        self.left = rest.ZZ[past_alone, past_alone] - scatter(self.across.mT)
        self.current = torch.linalg.solve_triangular(self.of_present, rest.YZ[:, present].mT, upper=False)
        self.current_left = rest.YZ[:, past_alone].mT - self.across @ self.current

    def held_out(self, penalty: float) -> HeldOut:
        """Solve the regression with one penalty on all regressors of the past."""
        identity = torch.eye(len(self.left), dtype=self.left.dtype, device=self.left.device)
        of_past = torch.linalg.cholesky(self.left + penalty * identity)
        W_past = torch.cholesky_solve(self.current_left, of_past)
        W_present = torch.linalg.solve_triangular(
            self.of_present.mT, self.current - self.across.mT @ W_past, upper=True
        )
        return HeldOut(fold=self.fold, W=torch.cat([W_present, W_past]).mT, rest=self, of_past=of_past)

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
    """

    fold: Moments
    W: torch.Tensor
    rest: RestOfFold
    of_past: torch.Tensor

    @cached_property
    def error_z(self) -> torch.Tensor:
        """(unit, regressor) sums over the transitions of the fold of the error times z'."""
        return self.fold.YZ - self.W @ self.fold.ZZ

    @cached_property
    def error(self) -> torch.Tensor:
        """(unit,) squared error in the fold."""
        return self.fold.YY - (self.W * (self.fold.YZ + self.error_z)).sum(-1)

    @cached_property
    def inverse(self) -> torch.Tensor:
        """(regressor, regressor) inverse of the penalised Gram matrix of all other folds."""
        return torch.cholesky_inverse(self.rest.factor(self.of_past))

    def lost_without(self, groups: Sequence[Array]) -> torch.Tensor:
        """Return by how much the squared error rises (group, unit) if a group of regressors is left out.

        Parameters
        ----------
        groups : indices of the regressors of every group.
        """
        changes = self.W.new_empty((len(groups), *self.W.shape))
        for change, columns in zip(changes, groups, strict=True):
            rows = self.inverse[columns]
            torch.matmul(torch.linalg.solve(rows[:, columns], self.W[:, columns], left=False), rows, out=change)
        # One product for all groups, in single precision: of a sum of squares a millionth is lost.
        single = changes.float()
        squares = (single @ self.fold.ZZ.float()).mul_(single).sum(-1)
        return 2 * (changes * self.error_z).sum(-1) + squares.double()

    def with_changed_penalty(self, columns: Array, change: float) -> HeldOut:
        """Solve the regression again with another penalty on a few regressors (Woodbury's identity)."""
        rows = self.inverse[columns]
        within = torch.eye(len(columns), dtype=rows.dtype, device=rows.device) + change * rows[:, columns]
        sent = change * torch.linalg.solve(within, rows)
        solved = replace(self, W=self.W - self.W[:, columns] @ sent)
        # The factor of the changed matrix is not needed: the inverse follows from the inverse.
        solved.__dict__["inverse"] = self.inverse - self.inverse[:, columns] @ sent
        return solved


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
    factor = torch.linalg.cholesky(m.ZZ[present, present] + torch.diag(ridge))
    added_by_present = torch.linalg.solve_triangular(factor, m.ZZ[present, further], upper=False)
    current_by_present = torch.linalg.solve_triangular(factor, m.YZ[:, present].T, upper=False)
    # The additional regressors minus what the present regressors explain of them, in their principal directions.
    power, direction = torch.linalg.eigh(m.ZZ[further, further] - added_by_present.T @ added_by_present)
    product = direction.T @ (m.YZ[:, further].T - added_by_present.T @ current_by_present)
    penalty = tensor(PAST_PENALTIES)
    scale = power.clamp_min(0)[:, None] + penalty
    unexplained = torch.maximum(m.YY - current_by_present.square().sum(0), RESIDUAL_ROUNDING_SHARE * m.YY)
    gain = product.square().mT @ (1 / scale) / unexplained.clamp_min(1e-300)[:, None]
    fit = -m.n * torch.log((1 - gain).clamp_min(RESIDUAL_ROUNDING_SHARE)).sum(0)
    volume = len(m.YY) * torch.log(scale / penalty).sum(0)
    evidence = fit - volume
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
