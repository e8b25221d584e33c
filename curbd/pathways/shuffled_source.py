"""The null behind the verdict: a source that is shuffled, and keeps what it shares with the other sources.

The null asks whether the source tells something about the target that no other source tells. Its activity is split
into what the other sources predict and a rest; the rest is handed to other trials of the same condition (moved in
time where there are few trials), so that the shuffled source shares with the others exactly what the real one does.
Shuffling the source as a whole would not do: a source that is merely correlated with a true one would then look real
(the same reasoning as in permutation tests of a partial regression: Freedman & Lane, J. Bus. Econ. Stat. 1983).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from curbd.network.tensors import tensor
from curbd.pathways.current_regression import CurrentRegression

Array = np.ndarray


DRAWS = 199
"""Shuffles behind a p-value, whose smallest value is 1 / 200."""


CHUNK = 20


FEW_TRIALS = 4
"""With fewer trials in a condition the rest is moved in time instead."""


class Null(NamedTuple):
    """p_value, null_rms : (target region, source); held_out_error : (target region,) of the real sources.

    The error is a share of the held-out squared current, mean over the units of the region.
    """

    p_value: Array
    null_rms: Array
    held_out_error: Array


def pathway_null(regression: CurrentRegression, *, seed: int = 0) -> Null:
    """Held-out gain of every source for every target region against the null of this module.

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    seed : of the shuffles.

    Returns
    -------
    p values of a held-out error as small as the real one, and the rms of the current that a shuffled source gets.
    """
    z, y, region, sources, penalty, train, condition = regression
    rng = np.random.default_rng(seed)
    complete, halves = regression.complete, regression.halves()
    p_value, rms, real = (np.empty((len(penalty), len(sources))) for _ in range(3))
    ridge = torch.stack([tensor(row) for row in penalty])
    for source, own in enumerate(sources):
        other = np.setdiff1d(np.arange(z.shape[2]), own)
        order = np.concatenate([other, own])
        shared, rest = _split(z, own, other, halves[0])
        errors, powers = [], []
        for start in range(0, DRAWS + 1, CHUNK):
            # The real source is draw 0, so that it goes through the very same arithmetic.
            draws = range(start, min(start + CHUNK, DRAWS + 1))
            shuffled = [rest if draw == 0 else _shuffled(rest, complete, train, condition, rng) for draw in draws]
            fitted, held_out = (_moments(z[..., other], shared, shuffled, y, half) for half in halves)
            error, power = _refit(fitted, held_out, ridge[:, order], region, len(own))
            errors.append(error)
            powers.append(power)
        error, power = np.concatenate(errors), np.concatenate(powers)
        p_value[:, source] = (1 + (error[1:] <= error[0]).sum(0)) / (DRAWS + 1)
        rms[:, source] = np.sqrt(power[1:].mean(0))
        real[:, source] = error[0]
    # The real sources are the same whichever of them was about to be shuffled.
    return Null(p_value, rms, real[:, 0])


def _split(z: Array, own: Array, other: Array, fitted: Array) -> tuple[Array, Array]:
    """What the other sources predict of the own ones, and the rest, both (trial, time, own unit); rest 0 if missing."""
    others = z[..., other]
    known, mine = others[fitted], z[..., own][fitted]
    gram = known.T @ known
    # A millionth of the mean power keeps the solve regular and changes nothing else.
    gram[np.diag_indices_from(gram)] += 1e-6 * np.trace(gram) / len(gram)
    shared = others @ np.linalg.solve(gram, known.T @ mine)
    return shared, np.nan_to_num(z[..., own] - shared)


def _shuffled(rest: Array, complete: Array, train: Array, condition: Array, rng: np.random.Generator) -> Array:
    """The rest of other trials of the same part and condition; where they are few, of the same trial at other times."""
    out = np.empty_like(rest)
    for part in (train, ~train):
        for name in np.unique(condition[part]):
            trials = np.flatnonzero(part & (condition == name))
            if len(trials) >= FEW_TRIALS:
                out[trials] = rest[rng.permutation(trials)]
                continue
            for trial in trials:
                inside = np.flatnonzero(complete[trial])
                out[trial] = 0.0
                if len(inside):
                    least = len(inside) // 10
                    shift = int(rng.integers(least, max(len(inside) - least, least + 1)))
                    out[trial, inside] = np.roll(rest[trial, inside], shift, axis=0)
    return out


class _Moments(NamedTuple):
    """ZZ (draw, regressor, regressor), YZ (draw, unit, regressor), YY (unit,), n: transitions."""

    ZZ: torch.Tensor
    YZ: torch.Tensor
    YY: torch.Tensor
    n: int


def _moments(others: Array, shared: Array, rests: list[Array], y: Array, part: Array) -> _Moments:
    """Statistics of y on [others, shared + rest] for every draw of the rest."""
    zo, common, target = tensor(others[part]), tensor(shared[part]), tensor(y[part])
    OO, YO = zo.T @ zo, target.T @ zo
    ZZ, YZ = [], []
    for rest in rests:
        zs = common + tensor(rest[part])
        OS = zo.T @ zs
        ZZ.append(torch.cat([torch.cat([OO, OS], 1), torch.cat([OS.T, zs.T @ zs], 1)], 0))
        YZ.append(torch.cat([YO, target.T @ zs], 1))
    return _Moments(torch.stack(ZZ), torch.stack(YZ), (target * target).sum(0), len(target))


def _refit(fitted: _Moments, held_out: _Moments, ridge: torch.Tensor, region: Array, n_own: int) -> tuple[Array, Array]:
    """(draw, target region) held-out error, and power of the source's current in the fitted transitions."""
    errors, powers = [], []
    for target, vector in enumerate(ridge):
        rows = np.flatnonzero(region == target)
        factor = torch.linalg.cholesky(fitted.ZZ + torch.diag(vector))
        W = torch.cholesky_solve(fitted.YZ[:, rows].mT, factor).mT
        missed = held_out.YY[rows] - 2 * (W * held_out.YZ[:, rows]).sum(-1) + ((W @ held_out.ZZ) * W).sum(-1)
        errors.append((missed / held_out.YY[rows].clamp_min(1e-12)).mean(1).cpu().numpy())
        own = W[..., -n_own:]
        power = ((own @ fitted.ZZ[:, -n_own:, -n_own:]) * own).sum(-1).mean(1) / max(fitted.n, 1)
        powers.append(power.cpu().numpy())
    return np.stack(errors, 1), np.stack(powers, 1)
