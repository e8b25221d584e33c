"""Hints of unrecorded units and inputs, from the part of a region's current that recorded sources do not explain.

If everything that drives a region is recorded, its next state depends on the present alone, and what remains is noise
that is new in every bin and in every unit. Two hints speak against this assumption. Each is measured twice: as the
share of the held-out variance of the current that is at stake, which converges as the recording grows and by which the
verdict decides, and as the strength of the statistical evidence, which grows with the recording.

Memory: the past of the recorded units predicts a part of the current that their present does not predict
(`curbd.pathways.past`).

Sharing: the residuals of different units rise and fall together over several bins, as under an input from outside the
recording. Fluctuations of single units do not count, nor do fluctuations that units share within a single bin only, nor
the parts of the residuals of single units that a flexible fit absorbs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.pathways.past import target_past
from curbd.pathways.past_regression import FOLDS, RESIDUAL_ROUNDING_SHARE, past_regression, squares_about_mean
from curbd.regression.evidence import evidence_penalties
from curbd.regression.moments import Moments
from curbd.regression.ridge_factors import solved_blocks
from curbd.regression.transitions import source_of_regressor

Array = np.ndarray
SLOW_FLUCTUATION_DECAY = 0.8
"""Weight of a lag of one bin in the hint of sharing; a lag of k bins has the k-th power, so about five bins count."""
SEGMENT_BINS = 25
"""Number of bins in a segment, inside which a unit keeps its random sign; longer than nearly all lags that count."""
LEAST_SPREAD = 0.5
"""Smallest value of 1 minus the sum of the fourth powers of the loadings, by which the shared variance is divided: the
share of a common factor that shows between different units. One unit alone shares nothing."""
SIGN_DRAWS = 50
"""Number of draws of random signs in the null of the hint of sharing."""
SIGN_SEED = 0
"""Seed for the random signs."""
MAX_SIGN_BLOCKS = 100
"""Largest number of blocks of segments; the segments of a recording with fewer segments are blocks themselves."""
DRAWS_OF_SEGMENT_SIGNS = 10
"""Number of draws that share the signs of segments inside blocks."""
MAX_CHUNK_NUMBERS = 10_000_000
"""Largest number of elements of the covariances of blocks that are in memory at the same time."""


class Hints(NamedTuple):
    """Hints of unrecorded units and inputs, and the evidence that takes the past into account.

    Shares are of the held-out variance of the current of the target, mean over its units.

    Attributes
    ----------
    memory_nats : (target region,) log Bayes factor for a dependence on the past of the recorded units, at least 0.
    shared_sd : (target region,) by how many standard deviations the shared slow fluctuations exceed those that
        independent units show.
    memory_share : (target region,) share that the past of the recorded units adds to their present.
    common_share : (target region,) share that a slow common factor of the residuals explains.
    unique_share : (target region, source) share that a source, present and past, adds to the present and the past of
        all other sources; the sources are the regions, then the inputs.
    unique_t : (target region, source) this share divided by its standard error over folds.
    immediate_share : (target region, source) for an input, the share that its present adds to all else, its own past
        included; NaN for a region.
    """

    memory_nats: Array
    shared_sd: Array
    memory_share: Array
    common_share: Array
    unique_share: Array
    unique_t: Array
    immediate_share: Array


def hints(z: Array, y: Array, region_of_unit: Array, D: float, penalty_of_fit: Array | None = None) -> Hints:
    """Compute the hints of unrecorded units and inputs; they do not depend on how the network was fitted.

    Parameters
    ----------
    z : (trial, time, regressor) presynaptic activity [r, u, 1]; NaN where a transition is missing.
    y : (trial, time, unit) total current of these transitions, in the (dimensionless) units of the state x in
        tau dx/dt = -x + J r + B u + b.
    region_of_unit : (unit,) index of each unit's region.
    D : share of a state that is left after one bin without input (see `curbd.network.equation.decay`).
    penalty_of_fit : (target region, source region) penalties from which the search for the most evident penalties
        starts, because the search is shorter from there; None to start from 1.

    Returns
    -------
    The hints of memory and of sharing, and the evidence on every source, for every target region.
    """
    n_units = len(region_of_unit)
    n_inputs = z.shape[2] - n_units - 1
    complete = np.isfinite(z).all(2) & np.isfinite(y).all(2)
    source = source_of_regressor(region_of_unit, n_inputs)
    regression = past_regression(z, y, source, n_units, D)
    total = regression.total
    present = Moments(total.ZZ[: len(source), : len(source)], total.YZ[:, : len(source)], total.YY, total.n)
    start = np.ones((int(region_of_unit.max()) + 1, source.max() + 1))
    if penalty_of_fit is not None:
        start[:, : len(start)] = penalty_of_fit
    penalty = evidence_penalties(present, source, start)
    W = solved_blocks(present, source, penalty).W
    variance = np.nan_to_num((squares_about_mean(total, len(source) - 1) / total.n).cpu().numpy())
    squares = total.YY.cpu().numpy()
    units_of = [np.flatnonzero(region_of_unit == target) for target in range(len(penalty))]
    pasts = [target_past(regression, units, block[source]) for units, block in zip(units_of, penalty, strict=True)]
    shared, common = np.zeros(len(penalty)), np.zeros(len(penalty))
    for target, units in enumerate(units_of):
        residual = np.where(complete[..., None], y[..., units] - z @ W[units].T, 0.0)
        rounding = RESIDUAL_ROUNDING_SHARE * squares[units].sum()
        if (residual**2).sum() > rounding:
            shared[target] = sharing(residual, complete)
            common[target] = common_share(residual, complete, variance[units])
    no_regions = np.full((len(penalty), len(penalty)), np.nan)
    return Hints(
        memory_nats=np.array([of_target.memory_nats for of_target in pasts]),
        shared_sd=shared,
        memory_share=np.array([of_target.memory_share for of_target in pasts]),
        common_share=common,
        unique_share=np.stack([of_target.unique_share for of_target in pasts]),
        unique_t=np.stack([of_target.unique_t for of_target in pasts]),
        immediate_share=np.hstack([no_regions, np.stack([of_target.immediate_share for of_target in pasts])]),
    )


def sharing(residual: Array, complete: Array) -> float:
    """Measure how far the residuals of a region fluctuate together, in standard deviations beyond independent units.

    Covariances of different units over lags of one bin and more, weighted by `SLOW_FLUCTUATION_DECAY` to the power of
    the lag, form a symmetric matrix. The largest eigenvalue of this matrix is compared with its values under random
    signs: the residual of every unit is multiplied by 1 or -1, drawn for every segment of `SEGMENT_BINS` bins. Random
    signs keep the slow fluctuations of each unit and make the units independent. In a long recording the sign is the
    product of a sign of the segment, which several draws share, and a sign of a block of segments, which is new in
    every draw. The signs of a draw are as random as before, and draws are uncorrelated, but a draw costs a sum over
    blocks and not over segments.

    Parameters
    ----------
    residual : (trial, time, unit) residuals of the current, 0 where missing.
    complete : (trial, time) bool, True where the residual is known.

    Returns
    -------
    The excess, in standard deviations of the null.
    """
    rng = np.random.default_rng(SIGN_SEED)
    e = _segments(residual / _rms(residual, complete))
    n_segments, n_bins, n_units = e.shape
    per_block = -(-n_segments // MAX_SIGN_BLOCKS)
    n_blocks = -(-n_segments // per_block)
    e = np.concatenate([e, np.zeros((n_blocks * per_block - n_segments, n_bins, n_units))])
    earlier = _earlier(e)
    covariance = np.zeros((SIGN_DRAWS + 1, n_units, n_units))
    covariance[0] = e.reshape(-1, n_units).T @ earlier.reshape(-1, n_units)
    for draws in np.array_split(np.arange(1, SIGN_DRAWS + 1), SIGN_DRAWS // DRAWS_OF_SEGMENT_SIGNS):
        of_block = rng.choice([-1.0, 1.0], size=(len(draws), n_blocks, n_units))
        of_segment = rng.choice([-1.0, 1.0], size=(len(e), 1, n_units)) if per_block > 1 else np.ones((len(e), 1, 1))
        for blocks in np.array_split(np.arange(n_blocks), 1 + n_blocks * n_units**2 // MAX_CHUNK_NUMBERS):
            segments = slice(blocks[0] * per_block, (blocks[-1] + 1) * per_block)
            signed, before = (
                (values[segments] * of_segment[segments]).reshape(len(blocks), -1, n_units) for values in (e, earlier)
            )
            products = signed.swapaxes(1, 2) @ before
            for draw, signs in zip(draws, of_block[:, blocks], strict=True):
                covariance[draw] += np.einsum("bi,bij,bj->ij", signs, products, signs)
    largest = np.linalg.eigvalsh(_between_units(covariance))[:, -1]
    spread = float(np.std(largest[1:]))
    return float(largest[0] - np.mean(largest[1:])) / spread if spread > 0 else 0.0


def common_share(residual: Array, complete: Array, variance: Array) -> float:
    """Estimate the share of the variance of the current that a slow common factor of the residuals explains.

    The loadings of the factor are the leading eigenvector of the covariances of different units over lags of one bin
    and more, as in `sharing`, without one fold of trials. The variance of the factor is measured with these loadings in
    the fold that was left out, so that it is 0 on average where the units of the region are independent.

    Parameters
    ----------
    residual : (trial, time, unit) residuals of the current, 0 where missing.
    complete : (trial, time) bool, True where the residual is known.
    variance : (unit,) variance of the current.

    Returns
    -------
    The share, mean over units and folds; about 0 if there is no common factor.
    """
    rms = _rms(residual, complete)
    e, known = _segments(residual / rms), _segments(complete[..., None].astype(float))
    per_trial = len(e) // len(residual)
    trial = np.arange(len(e)) // per_trial
    fold = trial % FOLDS if len(residual) >= FOLDS else np.arange(len(e)) * FOLDS // len(e)
    covariance = np.stack([_lagged_covariance(e[fold == index]) for index in range(FOLDS)])
    n_pairs = np.array([(known[fold == index] * _earlier(known[fold == index])).sum() for index in range(FOLDS)])
    used = np.flatnonzero(n_pairs > 0)
    if len(used) < 2:
        return 0.0
    between = _between_units(covariance) / 2
    residual_share = np.where(variance > 0, rms**2 / np.where(variance > 0, variance, 1), 0.0)
    shares = []
    for index in used:
        loading = np.linalg.eigh(between[used].sum(0) - between[index])[1][:, -1]
        factor_variance = loading @ between[index] @ loading / max(1 - float((loading**4).sum()), LEAST_SPREAD)
        shares.append(factor_variance / n_pairs[index] * float(np.mean(loading**2 * residual_share)))
    return float(np.mean(shares))


def _rms(residual: Array, complete: Array) -> Array:
    """Root mean square of the residual of each unit (unit,)."""
    return np.sqrt((residual**2).sum((0, 1)) / complete.sum()).clip(1e-150)


def _segments(values: Array) -> Array:
    """Cut trials (trial, time, column) into segments (segment, bin, column) of `SEGMENT_BINS` bins, padded with 0."""
    n_trials, n_bins, n_columns = values.shape
    n_segments = -(-n_bins // SEGMENT_BINS)
    padded = np.zeros((n_trials, n_segments * SEGMENT_BINS, n_columns))
    padded[:, :n_bins] = values
    return padded.reshape(n_trials * n_segments, SEGMENT_BINS, n_columns)


def _earlier(segments: Array) -> Array:
    """Sum the earlier bins of a segment, each weighted by `SLOW_FLUCTUATION_DECAY` to the power of its distance."""
    distance = np.arange(SEGMENT_BINS)[:, None] - np.arange(SEGMENT_BINS)
    return np.tril(SLOW_FLUCTUATION_DECAY ** (distance - 1.0), -1) @ segments


def _lagged_covariance(segments: Array) -> Array:
    """Sum of products (unit, unit) of the present of one unit and the weighted earlier bins of another."""
    n_units = segments.shape[2]
    return segments.reshape(-1, n_units).T @ _earlier(segments).reshape(-1, n_units)


def _between_units(covariance: Array) -> Array:
    """Add the transposed matrices (..., unit, unit), and set the diagonals to 0."""
    symmetric = covariance + covariance.swapaxes(-1, -2)
    diagonal = np.arange(symmetric.shape[-1])
    symmetric[..., diagonal, diagonal] = 0.0
    return symmetric
