"""Comparison of two currents of one source over all samples, from the second moments of the activity behind them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray
CONSTANT_SHARE = 1e-12
"""Variance of a current, as a share of its power, below which the current counts as constant."""


class CurrentPair(NamedTuple):
    """Two currents a and b into the same units, summarised over samples.

    Attributes
    ----------
    n : number of samples.
    mean : (2, unit) means of a and b.
    product : (2, 2, unit) sums over samples of products of a and b, each unit about its mean.
    """

    n: int
    mean: Array
    product: Array

    @classmethod
    def of(cls, activity: tuple[Array, Array], weights: tuple[Array, Array]) -> CurrentPair:
        """Summarise the currents W z of two fits, or of a fit and the true network.

        Parameters
        ----------
        activity : z of a and of b, both (trial, time, column), NaN where missing; samples that either lacks are left
            out.
        weights : W of a and of b, both (unit, column).
        """
        both = np.isfinite(activity[0]).all(2) & np.isfinite(activity[1]).all(2)
        samples = [z[both] for z in activity]
        means = [z.sum(0) / max(len(z), 1) for z in samples]
        centred = [z - mean for z, mean in zip(samples, means, strict=True)]
        product = [
            [((W_a @ (z_a.T @ z_b)) * W_b).sum(1) for z_b, W_b in zip(centred, weights, strict=True)]
            for z_a, W_a in zip(centred, weights, strict=True)
        ]
        mean = [W @ z for W, z in zip(weights, means, strict=True)]
        return cls(int(both.sum()), np.array(mean), np.array(product))

    @classmethod
    def of_currents(cls, a: Array, b: Array) -> CurrentPair:
        """Summarise two currents (trial, time, unit), NaN where missing."""
        both = np.isfinite(a).all(2) & np.isfinite(b).all(2)
        currents = np.stack([a[both], b[both]])
        mean = currents.sum(1) / max(currents.shape[1], 1)
        centred = currents - mean[:, None]
        return cls(int(both.sum()), mean, np.einsum("atu,btu->abu", centred, centred))

    def of_units(self, units: Array) -> CurrentPair:
        """Select units (unit,), by mask or by index."""
        return CurrentPair(self.n, self.mean[:, units], self.product[:, :, units])

    @property
    def squares(self) -> Array:
        """(2, 2) sums of products over samples and units."""
        return np.asarray(self.product.sum(2) + self.n * self.mean @ self.mean.T)

    def correlation(self) -> float:
        """Compute the correlation of a and b over samples and units; NaN if either is constant."""
        n_units = self.mean.shape[1]
        total = self.mean.sum(1)
        squares = self.squares
        about_mean = squares - self.n / max(n_units, 1) * np.outer(total, total)
        variance = about_mean.diagonal()
        if not self.n or (variance <= CONSTANT_SHARE * squares.diagonal()).any():
            return float("nan")
        return float(about_mean[0, 1] / np.sqrt(variance[0] * variance[1]))
