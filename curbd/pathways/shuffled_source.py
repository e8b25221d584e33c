"""The null behind the verdict: a source is shuffled, except for the activity that it shares with other sources.

The null asks whether the source predicts something about the target that no other source predicts. The activity of the
source is split into the part that the other sources predict and a rest. The rest is exchanged between trials of the
same condition (or shifted in time if there are few trials), so that the shuffled source shares with the other sources
exactly what the real source shares with them. Shuffling the whole source would be wrong: a source that is merely
correlated with a true source would then look like a true source. The reasoning is that of permutation tests of a
partial regression (Freedman & Lane, J. Bus. Econ. Stat. 1983).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from curbd.network.tensors import tensor
from curbd.pathways.current_regression import CurrentRegression
from curbd.regression.moments import Moments, solve, squared_error

Array = np.ndarray
SHUFFLES = 199
"""Number of shuffles; the smallest possible p value is 1 / 200."""
SHUFFLES_PER_BATCH = 20
"""Number of shuffles that are computed together; a larger number takes more memory."""
LEAST_TRIALS_TO_EXCHANGE = 4
"""Smallest number of trials of a condition between which the rest is exchanged; otherwise it is shifted in time."""
SPLIT_RIDGE_SHARE = 1e-6
"""Ridge penalty of the split, as a share of the mean power of the other sources. The penalty keeps the Gram matrix of
the other sources regular and has no other effect."""


class ShuffleNull(NamedTuple):
    """The null of all pathways.

    Attributes
    ----------
    p_value : (target region, source) probability of a held-out error as small as the error with the real source; NaN if
        all units of the target are silent in the held-out transitions.
    null_rms : (target region, source) rms of the current that a regression assigns to the shuffled source, in the
        (dimensionless) units of the state x in tau dx/dt = -x + J r + B u + b.
    held_out_error : (target region,) held-out squared error with the real sources, as a share of the squared current,
        mean over the units of the region that are active in the held-out transitions.
    """

    p_value: Array
    null_rms: Array
    held_out_error: Array


def pathway_null(regression: CurrentRegression, *, seed: int = 0) -> ShuffleNull:
    """Test every source: is the held-out error with the real source smaller than with the shuffled source?

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    seed : seed for the shuffles.

    Returns
    -------
    The p value of every pathway, the rms current of shuffled sources, and the held-out error with the real sources.
    """
    rng = np.random.default_rng(seed)
    shape = len(regression.penalty), len(regression.sources)
    p_value, rms, real = (np.empty(shape) for _ in range(3))
    for source, columns in enumerate(regression.sources):
        errors, powers = _errors_and_powers(regression, columns, rng)
        p = (1 + (errors[1:] <= errors[0]).sum(0)) / (SHUFFLES + 1)
        p_value[:, source] = np.where(np.isfinite(errors[0]), p, np.nan)
        rms[:, source] = np.sqrt(powers[1:].mean(0))
        real[:, source] = errors[0]
    # The error with the real sources is the same whichever source was about to be shuffled.
    return ShuffleNull(p_value=p_value, null_rms=rms, held_out_error=real[:, 0])


def _errors_and_powers(regression: CurrentRegression, columns: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Compute held-out errors, and powers of the current of a source (draw, target region); draw 0 is the real source.

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    columns : (column,) regressors of the source.
    rng : generator of the shuffles.
    """
    halves = regression.halves()
    other_columns = np.setdiff1d(np.arange(regression.z.shape[2]), columns)
    z_others = regression.z[..., other_columns]
    ridge = tensor(regression.penalty)[:, np.concatenate([other_columns, columns])]
    shared, rest = _split(regression.z[..., columns], z_others, halves[0])
    held_out_squares = tensor(regression.held_out_squares)
    errors, powers = [], []
    for start in range(0, SHUFFLES + 1, SHUFFLES_PER_BATCH):
        # The real source is draw 0, so that it goes through the very same arithmetic.
        draws = range(start, min(start + SHUFFLES_PER_BATCH, SHUFFLES + 1))
        rests = [rest if draw == 0 else _shuffled(rest, regression, rng) for draw in draws]
        fitted, held_out = (_moments(z_others, shared, rests, regression.y, half) for half in halves)
        held_out = held_out._replace(YY=held_out_squares)
        error, power = _refit(fitted, held_out, ridge, regression.region_of_unit, len(columns))
        errors.append(error)
        powers.append(power)
    return np.concatenate(errors), np.concatenate(powers)


def _split(activity: Array, z_others: Array, fitted: Array) -> tuple[Array, Array]:
    """Split the activity of a source into the part that the other sources predict and a rest, which is 0 where missing.

    Parameters
    ----------
    activity : (trial, time, regressor) activity of the source.
    z_others : (trial, time, other regressor) activity of all other sources.
    fitted : (trial, time) transitions from which the prediction is learned.
    """
    regressors = z_others[fitted]
    gram = regressors.T @ regressors
    gram[np.diag_indices_from(gram)] += SPLIT_RIDGE_SHARE * np.trace(gram) / len(gram)
    shared = z_others @ np.linalg.solve(gram, regressors.T @ activity[fitted])
    return shared, np.nan_to_num(activity - shared)


def _shuffled(rest: Array, regression: CurrentRegression, rng: np.random.Generator) -> Array:
    """Exchange the rest of a source between trials of the same half and condition, or shift it inside its trial.

    Parameters
    ----------
    rest : (trial, time, regressor) what the other sources do not predict of the source.
    regression : the regression of all currents on all sources, with its halves and conditions.
    rng : generator of the shuffle.
    """
    shuffled = np.empty_like(rest)
    for half in (regression.train, ~regression.train):
        for name in np.unique(regression.condition[half]):
            trials = np.flatnonzero(half & (regression.condition == name))
            if len(trials) >= LEAST_TRIALS_TO_EXCHANGE:
                shuffled[trials] = rest[rng.permutation(trials)]
                continue
            for trial in trials:
                shuffled[trial] = _shifted(rest[trial], np.flatnonzero(regression.complete[trial]), rng)
    return shuffled


def _shifted(rest: Array, bins: Array, rng: np.random.Generator) -> Array:
    """Shift the rest of a source in one trial round the complete bins of the trial, by at least a tenth of them.

    Parameters
    ----------
    rest : (time, regressor) what the other sources do not predict of the source.
    bins : (bin,) indices of the complete bins.
    rng : generator of the shift.
    """
    shifted = np.zeros_like(rest)
    if len(bins):
        least = len(bins) // 10
        shift = int(rng.integers(least, max(len(bins) - least, least + 1)))
        shifted[bins] = np.roll(rest[bins], shift, axis=0)
    return shifted


def _moments(z_others: Array, shared: Array, rests: list[Array], y: Array, half: Array) -> Moments:
    """Compute the moments of the regression of y on [others, shared + rest]; the leading axis is the draw of the rest.

    `curbd.regression.moments.moments` would compute the sums over the other sources anew for every draw.

    Parameters
    ----------
    z_others : (trial, time, other regressor) activity of the other sources.
    shared : (trial, time, regressor) what the other sources predict of the source.
    rests : the rest of the source (trial, time, regressor) in every draw.
    y : (trial, time, unit) total current.
    half : (trial, time) bool, the transitions.
    """
    others, common, current = tensor(z_others[half]), tensor(shared[half]), tensor(y[half])
    OO, YO = others.T @ others, current.T @ others
    ZZ, YZ = [], []
    for rest in rests:
        activity = common + tensor(rest[half])
        OS = others.T @ activity
        ZZ.append(torch.cat([torch.cat([OO, OS], 1), torch.cat([OS.T, activity.T @ activity], 1)], 0))
        YZ.append(torch.cat([YO, current.T @ activity], 1))
    n = torch.tensor(float(len(current)), dtype=torch.float64, device=current.device)
    return Moments(ZZ=torch.stack(ZZ), YZ=torch.stack(YZ), YY=(current * current).sum(0), n=n)


def _refit(
    fitted: Moments, held_out: Moments, ridge: torch.Tensor, region_of_unit: Array, n_columns: int
) -> tuple[Array, Array]:
    """Compute held-out error, and power of the source's current in fitted transitions, both (draw, target region).

    Parameters
    ----------
    fitted, held_out : moments of the regressions of all draws; the regressors of the source are the last.
    ridge : (target region, regressor) penalties.
    region_of_unit : (unit,) index of each unit's region.
    n_columns : number of regressors of the source.
    """
    errors, powers = [], []
    for target, penalty in enumerate(ridge):
        units = np.flatnonzero(region_of_unit == target)
        W = solve(fitted, penalty, units)
        # NaN for units that are silent in the held-out transitions.
        error = squared_error(held_out, W, units) / held_out.YY[units]
        errors.append(error.nanmean(1).cpu().numpy())
        W_source = W[..., -n_columns:]
        squares = ((W_source @ fitted.ZZ[:, -n_columns:, -n_columns:]) * W_source).sum(-1)
        powers.append((squares.mean(1) / max(float(fitted.n), 1)).cpu().numpy())
    return np.stack(errors, 1), np.stack(powers, 1)
