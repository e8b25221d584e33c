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

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.tensors import tensor
from curbd.pathways.held_out_past import HeldOut, RestOfFold
from curbd.pathways.past_evidence import PAST_PENALTIES, gained_share, log_odds
from curbd.pathways.past_regression import FOLDS, PastRegression, squares_about_mean
from curbd.regression.moments import Moments
from curbd.regression.ridge import WEAK_INPUT_PENALTY
from curbd.regression.ridge_factors import MAX_ROUNDING_SHARE

Array = np.ndarray
PENALTY_STEP = 10.0
"""Factor by which the penalty on the past is raised as long as the held-out error falls."""
SINGLE_PRECISION_REGRESSORS = 400
"""Regressions on at least this number of regressors are factorised in single precision, where that is exact enough."""


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


def _of_regressors(m: Moments, n: int) -> Moments:
    """Select the moments of the first regressors."""
    return m._replace(ZZ=m.ZZ[..., :n, :n], YZ=m.YZ[..., :n])


def _over_standard_error(shares: Array) -> Array:
    """Divide the mean of shares (row, fold) over folds by its standard error; 0 where all folds agree exactly."""
    error = shares.std(1, ddof=1) / np.sqrt(shares.shape[1])
    return np.divide(shares.mean(1), error, out=np.zeros(len(shares)), where=error > 0)
