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
from curbd.regression.moments import Moments, times_scatter
from curbd.regression.transitions import TrainingData

Array = np.ndarray
LEAST_INFORMATION_SHARE = 1e-3
"""Bins that tell less than this share of what a bin tells whose rate is above 0 are left out."""


class SilentBins:
    """Training trials, and what stays the same near every network: the bins before and in which a unit is not silent.

    Parameters
    ----------
    data : the training trials.
    units : indices of the units whose weights are sought.
    """

    def __init__(self, data: TrainingData, units: Array) -> None:
        complete = np.isfinite(data.r).all(2)
        self.units, self.r, self.linked = units, data.r[..., units], complete[:, :-1] & complete[:, 1:]
        ones = np.ones((*data.r.shape[:2], 1))
        self.z = np.nan_to_num(np.concatenate([data.r, data.u, ones], axis=2))[:, :-1]
        # Single precision halves the time; the fitted weights depend on the slope, which is in double precision.
        self.z_by_time = np.ascontiguousarray(self.z.transpose(1, 0, 2), dtype=np.float32)
        self.active = self.linked[..., None] & (self.r[:, :-1] > 0) & (self.r[:, 1:] > 0)
        self._of_active: dict[int, Array] = {}

    def scatter_of_active(self, row: int) -> Array:
        """Return the second moments (regressor, regressor) of the bins that follow an active bin and are active.

        Parameters
        ----------
        row : index of the unit among the units whose weights are sought.
        """
        if row not in self._of_active:
            z = self.z_by_time[self.active[..., row].T]
            self._of_active[row] = z.T @ z
        return self._of_active[row]


class SilentInformation:
    """Second moments of the regression of units that are silent at times, near the weights of a network.

    Parameters
    ----------
    network : the network at whose weights the likelihood is approximated, with one Euler step in a bin.
    bins : the training trials, and the units whose weights are sought (rows).
    states : distributions of the states of these units.
    noise_variance : (row,) variance of the noise on the current.
    """

    def __init__(self, network: Network, bins: SilentBins, states: SilentStates, noise_variance: Array) -> None:
        self.bins, D = bins, float(network.decay)
        linked, silent = np.isfinite(states.predicted), bins.r <= 0
        mean, variance = np.where(linked, states.predicted, 0.0), np.where(linked, states.predicted_variance, 1.0)
        cut_mean, kept = bins.r.copy(), np.zeros(mean.shape)
        cut_mean[silent], cut_variance = below_zero(mean[silent], variance[silent])
        kept[silent] = cut_variance / variance[silent]
        # What a bin tells, relative to a bin whose rate is above 0.
        share = np.where(linked, (1 - kept) / variance, 0.0)[:, 1:] * noise_variance * (1 - D) ** 2
        informative = share > LEAST_INFORMATION_SHARE
        self.share = np.where(informative & ~bins.active, share, 0.0)
        self.passed_on = (D * np.where(linked, kept, 0.0))[:, 1:]
        slope = np.where(linked, (cut_mean - mean) / variance, 0.0)[:, 1:]
        self.slope = self._by_weight(np.where(informative, slope, 0.0)) * (noise_variance * (1 - D))[:, None]
        self.W = weights(network)[bins.units]

    def of_units(self, rows: Array) -> Moments:
        """Compute the second moments of the regression of some units.

        Parameters
        ----------
        rows : indices of these units among the units whose weights are sought.

        Returns
        -------
        Moments with ZZ (row, regressor, regressor), whose YY is 0.
        """
        ZZ = tensor(np.stack([self.bins.scatter_of_active(row) + self._scatter(row) for row in rows]))
        YZ = times_scatter(tensor(self.W[rows]), ZZ) + tensor(self.slope[rows])
        n = tensor(np.full(len(rows), float(self.bins.linked.sum())))
        return Moments(ZZ, YZ, torch.zeros_like(n), n)

    def _by_weight(self, slope: Array) -> Array:
        """Slope (row, regressor) of the likelihood by the weights, from that by predicted states, over 1 - D.

        Parameters
        ----------
        slope : (trial, time - 1, row) slope by the predicted state of every bin but the first.
        """
        total = slope.copy()
        for step in range(total.shape[1] - 2, -1, -1):
            # The weights also act on the bins that follow a silent bin.
            total[:, step] += self.passed_on[:, step] * total[:, step + 1]
        return np.tensordot(total, self.bins.z, axes=([0, 1], [0, 1]))

    def _scatter(self, row: int) -> Array:
        """Second moments (regressor, regressor) of the bins that are silent, or follow a silent bin."""
        sensitive, passed_on = self.bins.z_by_time.copy(), self.passed_on[..., row].T.astype(np.float32)
        for step in range(1, len(sensitive)):
            sensitive[step] += passed_on[step - 1, :, None] * sensitive[step - 1]
        share = self.share[..., row].T
        weighted = sensitive[share > 0] * np.sqrt(share[share > 0])[:, None].astype(np.float32)
        return np.asarray(weighted.T @ weighted)
