"""Regression of the current in two levels at once: weights that both levels share, and differences between the levels.

The current into a target region is W z + s D z + noise, with the regressors z = [r, u, 1] and s = +1/2 in trials of
level a and -1/2 in trials of level b. W are the weights of both levels, and D, the change, is their difference, level a
minus level b. Both have a ridge penalty. Shrinkage therefore draws the two levels together and never makes a change,
whatever the numbers of trials are, as two separate fits would.

The test of one source asks whether its part of D is 0, given that all other sources, the inputs and the bias may have
changed as well. With C = (G + P)^-1, where G are the second moments of [z, s z] and P the penalties, C_S the part of C
of the source, and m the eigenvalues of 1 - P_S C_S (the share of every direction that the data determine), the quantity
Q = sum_i D_i C_S^-1 D_i' / noise_i over the units i of the target has the mean N sum m and the variance 2 N sum m^2
without a change, if the noise is white. The statistic is Q, standardised. The log Bayes factor for a change, with the
prior of the penalties, is Q / 2 + N / 2 sum log(1 - m).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from curbd.changes.trial_groups import Products
from curbd.regression.evidence import LEAST_NOISE_VARIANCE, input_units
from curbd.regression.moments import LEAST_SUM_OF_SQUARES

Array = np.ndarray
CHANGE_PENALTIES = (4.0, 16.0, 64.0)
"""Penalties of a change, as multiples of the smallest penalty of the shared weights of the target: a change is expected
to have a half, a quarter or an eighth of the size of the weights of the strongest source. The statistic is that of the
first, and the evidence is the mean over all three."""


class Penalties(NamedTuple):
    """Ridge penalties of one target region.

    Attributes
    ----------
    shared : (regressor,) penalties of the weights that both levels share.
    change : (regressor,) penalties of the change. They depend on the strongest source only, so that a pathway that is
        absent in one level, or has the opposite sign, is not held back.
    """

    shared: Array
    change: Array


class Joint(NamedTuple):
    """Solution of the regression of one target region in two levels.

    Attributes
    ----------
    shared : (unit, regressor) weights W.
    change : (unit, regressor) changes D, level a minus level b.
    C : (2 regressor, 2 regressor) posterior covariance of [W, D] of one unit, divided by its noise variance.
    noise : (unit,) noise variance.
    """

    shared: Array
    change: Array
    C: Array
    noise: Array

    @property
    def level_a(self) -> Array:
        """(unit, regressor) weights in level a."""
        return self.shared + self.change / 2

    @property
    def level_b(self) -> Array:
        """(unit, regressor) weights in level b."""
        return self.shared - self.change / 2


class ChangeTest(NamedTuple):
    """Test of the change of one source.

    Attributes
    ----------
    statistic : the statistic, about 0 with a standard deviation of about 1 without a change.
    evidence_nats : log Bayes factor for a change.
    """

    statistic: float
    evidence_nats: float


def penalties_of(
    total: Products, source: Array, n_regions: int, penalty: Array, multiple: float = CHANGE_PENALTIES[0]
) -> Penalties:
    """Expand the penalties of the sources to regressors, and choose the penalties of changes.

    Parameters
    ----------
    total : second moments of all compared trials.
    source : (regressor,) index of the source of every regressor.
    n_regions : number of regions.
    penalty : (source,) penalties of the target region in a fit in which both levels share all weights.
    multiple : penalty of the change, as a multiple of the smallest penalty of the shared weights.
    """
    of_all = total.as_moments()
    unit = input_units(of_all.ZZ, float(of_all.n), source, n_regions)
    strongest = float((penalty / unit)[:n_regions].min())
    return Penalties(shared=penalty[source], change=multiple * strongest * unit[source])


def level_weights(level_a: Products, level_b: Products, W: Array) -> tuple[float, float]:
    """Compute the weights of the samples of two levels, which may have different amounts of noise.

    Parameters
    ----------
    level_a, level_b : second moments of the units of the target region.
    W : (unit, regressor) weights that both levels share.

    Returns
    -------
    Inverse noise variance of either level, relative to that of both levels, averaged over units.
    """
    error_a, error_b = (np.maximum(squared_error(level, W), LEAST_SUM_OF_SQUARES) for level in (level_a, level_b))
    n_a, n_b = max(float(level_a.n), 1.0), max(float(level_b.n), 1.0)
    both = (error_a + error_b) / (n_a + n_b)
    return float(1 / np.mean(error_a / n_a / both)), float(1 / np.mean(error_b / n_b / both))


def squared_error(products: Products, W: Array) -> Array:
    """Return the sum over transitions of (y - W z)^2 (unit,)."""
    return products.YY - 2 * (W * products.YZ).sum(1) + ((W @ products.ZZ) * W).sum(1)


def joint_regression(level_a: Products, level_b: Products, penalties: Penalties, W: Array, inflation: Array) -> Joint:
    """Solve the regression of one target region in two levels.

    Parameters
    ----------
    level_a, level_b : second moments of the units of the target region.
    penalties : ridge penalties of the weights and of the change.
    W : (unit, regressor) weights of a fit in which both levels share all weights, from which the noise of the levels
        is estimated.
    inflation : (unit,) factor by which residuals that are correlated in time widen the noise variance.
    """
    weight_a, weight_b = level_weights(level_a, level_b, W)
    level_a, level_b = level_a.times(weight_a), level_b.times(weight_b)
    total, difference = level_a.plus(level_b), level_a.minus(level_b)
    gram = np.block([[total.ZZ, difference.ZZ / 2], [difference.ZZ / 2, total.ZZ / 4]])
    products = np.concatenate([total.YZ, difference.YZ / 2], axis=1)
    ridge = np.concatenate([penalties.shared, penalties.change])
    C = cho_solve(cho_factor(gram + np.diag(ridge), lower=True), np.eye(len(ridge)))
    both = products @ C
    error = total.YY - 2 * (both * products).sum(1) + ((both @ gram) * both).sum(1)
    free = max(float(total.n) - (len(ridge) - float(C.diagonal() @ ridge)), 1.0)
    noise = np.maximum(error / free, LEAST_NOISE_VARIANCE) * inflation
    n = total.ZZ.shape[0]
    return Joint(shared=both[:, :n], change=both[:, n:], C=C, noise=noise)


def change_test(joint: Joint, penalties: Penalties, columns: Array) -> ChangeTest:
    """Test whether the weights from one source changed.

    Parameters
    ----------
    joint : the regression of the target region in both levels.
    penalties : its penalties.
    columns : indices of the regressors of the source.
    """
    n_units, n = joint.change.shape
    C = joint.C[np.ix_(n + columns, n + columns)]
    change = joint.change[:, columns]
    squares = float(((change @ np.linalg.inv(C)) * change).sum(1) @ (1 / joint.noise))
    determined = np.clip(1 - np.linalg.eigvals(penalties.change[columns][:, None] * C).real, 0, 1 - 1e-12)
    mean, variance = n_units * determined.sum(), 2 * n_units * (determined**2).sum()
    statistic = (squares - mean) / np.sqrt(max(variance, LEAST_SUM_OF_SQUARES))
    return ChangeTest(float(statistic), float(squares + n_units * np.log1p(-determined).sum()) / 2)
