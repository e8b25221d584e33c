"""How much of the current of a pathway changed, and how: rescaled, sent to other units, or in new directions.

Weights are compared by the current that they send, with the activity of both levels: a change D of weights with the
covariance S of the activity of the source has the size tr(D S D'). A difference in activity between the levels is
therefore no change. Estimated weights are noisy, which makes every size too large; the expected excess is subtracted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.changes.joint_regression import Joint, Penalties
from curbd.contrasts.differences import NORMAL_95

Array = np.ndarray
LEADING_SHARE = 0.9
"""Share of the current of a pathway in its leading directions over units."""


class ChangeSize(NamedTuple):
    """How much the current of one pathway changed.

    Attributes
    ----------
    share : size of the change, divided by the sum of the sizes in both levels: 0 for equal weights, 0.2 if the weights
        are halved, 1 if the currents have nothing in common, 2 for the opposite sign. NaN if no current can be told
        from 0.
    low, high : ends of the 95 % interval of the share. The high end includes what the data cannot tell.
    of_total : high end of the size of the change, as a share of the variance of the predicted current into the target.
    """

    share: float
    low: float
    high: float
    of_total: float


class ChangeParts(NamedTuple):
    """What a change consists of.

    Attributes
    ----------
    gain : size of the weights in level a along the weights in level b: 1 if equal, 0.5 if halved.
    rescaled : share of the change along the weights of level b.
    rotated : share of the change that goes on within the leading directions of level b over the units of the target.
    new : share of the change that goes to directions over units that the pathway did not reach in level b.
    angle_deg : mean principal angle between the leading directions of both levels, degrees.
    """

    gain: float
    rescaled: float
    rotated: float
    new: float
    angle_deg: float


class _Sizes(NamedTuple):
    """Sizes of the weights of one pathway without the excess that noise makes; S is the covariance of the source."""

    change: float
    level_a: float
    level_b: float
    across: float
    S: Array
    noise_of_change: Array


def activity_covariance(ZZ: Array, columns: Array) -> Array:
    """Return the covariance of the activity of a source from the second moments of regressors, the last of which is 1.

    Parameters
    ----------
    ZZ : (regressor, regressor) second moments.
    columns : indices of the regressors of the source.
    """
    n = ZZ[-1, -1]
    mean = ZZ[-1, columns] / n
    covariance: Array = ZZ[np.ix_(columns, columns)] / n - np.outer(mean, mean)
    return covariance


def change_size(joint: Joint, penalties: Penalties, ZZ: Array, columns: Array) -> ChangeSize:
    """Estimate how much of the current of a pathway changed.

    Parameters
    ----------
    joint : the regression of the target region in both levels.
    penalties : its penalties.
    ZZ : (regressor, regressor) second moments of the regressors in both levels.
    columns : indices of the regressors of the source.
    """
    sizes = _sizes(joint, penalties, ZZ, columns)
    S, noise = sizes.S, joint.noise
    D = joint.change[:, columns] @ S
    of_noise = S @ sizes.noise_of_change
    spread = np.sqrt(
        4 * float(noise @ ((D @ sizes.noise_of_change) * D).sum(1))
        + 2 * float((noise**2).sum()) * float((of_noise * of_noise.T).sum())
    )
    posterior = _block(joint, columns)[2]
    unseen = float(noise.sum()) * max(float((S * (posterior - sizes.noise_of_change)).sum()), 0.0)
    low, high = sizes.change - NORMAL_95 * spread, sizes.change + NORMAL_95 * spread + unseen
    n = ZZ[-1, -1]
    mean = ZZ[-1] / n
    predicted = float(((joint.shared @ (ZZ / n - np.outer(mean, mean))) * joint.shared).sum())
    of_total = max(high, 0.0) / predicted if predicted > 0 else float("nan")
    both = sizes.level_a + sizes.level_b
    if both <= NORMAL_95 * _spread_of_sum(joint, S, columns):
        return ChangeSize(float("nan"), float("nan"), float("nan"), of_total)
    share, low, high = (float(np.clip(value / both, 0, 2)) for value in (sizes.change, low, high))
    return ChangeSize(share, low, high, of_total)


def change_parts(joint: Joint, penalties: Penalties, ZZ: Array, columns: Array) -> ChangeParts:
    """Divide the change of a pathway into rescaling, rotation and new directions.

    Parameters
    ----------
    joint : the regression of the target region in both levels.
    penalties : its penalties.
    ZZ : (regressor, regressor) second moments of the regressors in both levels.
    columns : indices of the regressors of the source.
    """
    sizes = _sizes(joint, penalties, ZZ, columns)
    values, vectors = np.linalg.eigh(sizes.S)
    root = vectors * np.sqrt(np.maximum(values, 0))
    a, b = joint.level_a[:, columns] @ root, joint.level_b[:, columns] @ root
    U, singular, _ = np.linalg.svd(b, full_matrices=False)
    n_leading = 1 + int(np.searchsorted(np.cumsum(singular**2), LEADING_SHARE * max(sizes.level_b, 0.0)))
    U = U[:, :n_leading]
    V = np.linalg.svd(a, full_matrices=False)[0][:, :n_leading]
    D = joint.change[:, columns] @ root
    outside = D - U @ (U.T @ D)
    noise_outside = float((1 - (U**2).sum(1)) @ joint.noise) * float((sizes.S * sizes.noise_of_change).sum())
    new = max(float((outside**2).sum()) - noise_outside, 0.0)
    gain = sizes.across / sizes.level_b if sizes.level_b > 0 else float("nan")
    rescaled = 0.0 if np.isnan(gain) else (gain - 1) ** 2 * sizes.level_b
    rotated = max(sizes.change - new - rescaled, 0.0)
    total = max(new + rescaled + rotated, 1e-300)
    cosines = np.clip(np.linalg.svd(U.T @ V, compute_uv=False), 0, 1)
    return ChangeParts(
        gain=gain,
        rescaled=rescaled / total,
        rotated=rotated / total,
        new=new / total,
        angle_deg=float(np.degrees(np.arccos(cosines)).mean()),
    )


def _block(joint: Joint, columns: Array) -> tuple[Array, Array, Array]:
    """Parts of C of one source: of the shared weights, between these and the change, and of the change."""
    n = joint.change.shape[1]
    shared, change = columns, n + columns
    return joint.C[np.ix_(shared, shared)], joint.C[np.ix_(shared, change)], joint.C[np.ix_(change, change)]


def _sizes(joint: Joint, penalties: Penalties, ZZ: Array, columns: Array) -> _Sizes:
    S, total_noise = activity_covariance(ZZ, columns), float(joint.noise.sum())
    shared, across, change = _block(joint, columns)
    # The part of the covariance that comes from the data, and not from the prior of the change.
    noise_of_change = change - change @ (penalties.change[columns][:, None] * change)
    D, a, b = (W[:, columns] for W in (joint.change, joint.level_a, joint.level_b))

    def size(first: Array, second: Array, covariance: Array) -> float:
        return float(((first @ S) * second).sum()) - total_noise * float((S * covariance).sum())

    return _Sizes(
        change=size(D, D, noise_of_change),
        level_a=size(a, a, shared + across + change / 4),
        level_b=size(b, b, shared - across + change / 4),
        across=size(a, b, shared - change / 4),
        S=S,
        noise_of_change=noise_of_change,
    )


def _spread_of_sum(joint: Joint, S: Array, columns: Array) -> float:
    """Standard deviation of the sum of the sizes in both levels if there is no current at all."""
    shared, _, change = _block(joint, columns)
    of_noise = S @ (2 * shared + change / 2)
    return float(np.sqrt(2 * (joint.noise**2).sum() * (of_noise * of_noise.T).sum()))
