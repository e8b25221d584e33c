"""What the rates of a unit that is often silent tell about the weights onto this unit.

The current into a silent unit is lost, so that bins of silence say less about the weights than other bins. In the
filter of the states (`curbd.network.silent_states`), every bin has a predicted state of mean m and variance v given the
bins before. A rate above 0 tells the state x, with the log likelihood -(x - m)^2 / (2 v), and the rate 0 only that the
state is below 0, with the log likelihood log Phi(-m / sqrt(v)). The first and the second derivative of these
likelihoods with respect to m, and the derivative of m with respect to the weights, which goes on through silent bins,
give a regression for every unit whose solution is a Gauss-Newton step towards the weights that are most likely given
the rates. Where a unit is never silent, the regression is that of all bins with equal weights.
"""

from __future__ import annotations

import numpy as np
import torch

from curbd.network.equation import Network, weights
from curbd.network.silent_states import SilentStates, below_zero
from curbd.network.tensors import tensor
from curbd.regression.moments import Moments
from curbd.regression.transitions import TrainingData

Array = np.ndarray
LEAST_INFORMATION_SHARE = 1e-3
"""Bins that tell less than this share of what a bin tells whose rate is above 0 are left out."""


class SilentInformation:
    """Second moments of the regression of units that are silent at times, near the weights of a network.

    Parameters
    ----------
    network : the network at whose weights the likelihood is approximated, with one Euler step in a bin.
    data : the training trials.
    states : distributions of the states of this network.
    noise_variance : (unit,) variance of the noise on the current.
    """

    def __init__(self, network: Network, data: TrainingData, states: SilentStates, noise_variance: Array) -> None:
        self.W, self.D, self.noise_variance = weights(network), float(network.decay), noise_variance
        ones = np.ones((*data.r.shape[:2], 1))
        self.z = np.nan_to_num(np.concatenate([data.r, data.u, ones], axis=2))
        linked, silent = np.isfinite(states.predicted), data.r <= 0
        mean, variance = np.where(linked, states.predicted, 0.0), np.where(linked, states.predicted_variance, 1.0)
        cut_mean, cut_variance = below_zero(mean, variance)
        kept = np.where(silent, cut_variance / variance, 0.0)
        self.slope = np.where(linked, (np.where(silent, cut_mean, data.r) - mean) / variance, 0.0)
        self.curvature = np.where(linked, (1 - kept) / variance, 0.0)
        self.kept = np.where(linked, kept, 0.0)
        self.n = float(linked.all(2).sum())

    def of_units(self, rows: Array) -> Moments:
        """Compute the second moments of the regression of some units.

        Parameters
        ----------
        rows : (row,) indices of the units.

        Returns
        -------
        Moments with ZZ (row, regressor, regressor), whose YY is 0.
        """
        ZZ, YZ = zip(*(self._of_unit(unit) for unit in rows), strict=True)
        n = tensor(np.full(len(rows), self.n))
        return Moments(torch.stack(ZZ), torch.stack(YZ), torch.zeros_like(n), n)

    def _of_unit(self, unit: int) -> tuple[torch.Tensor, torch.Tensor]:
        """ZZ (regressor, regressor) and YZ (regressor,) of a unit."""
        noise = self.noise_variance[unit]
        sensitive = self._sensitivity(unit)
        curvature, slope = self.curvature[:, 1:, unit], self.slope[:, 1:, unit]
        informative = curvature * noise * (1 - self.D) ** 2 > LEAST_INFORMATION_SHARE
        # Single precision halves the time; the fitted weights depend on the slope, which is in double precision.
        weighted = (sensitive[informative] * np.sqrt(noise * curvature[informative])[:, None]).astype(np.float32)
        ZZ = tensor((weighted.T @ weighted).astype(float))
        first = tensor(noise * (slope[informative] @ sensitive[informative]))
        return ZZ, ZZ @ tensor(self.W[unit]) + first

    def _sensitivity(self, unit: int) -> Array:
        """(trial, time - 1, regressor) derivative of the predicted state of every bin but the first by the weights."""
        sensitive = (1 - self.D) * self.z[:, :-1]
        kept = self.D * self.kept[:, :, unit, None]
        for step in range(1, sensitive.shape[1]):
            sensitive[:, step] += kept[:, step] * sensitive[:, step - 1]
        return sensitive
