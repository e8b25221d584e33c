"""Block low rank: dynamics of some rank within each region, and a communication subspace for each pathway.

J is a sum of blocks M_ts N_ts', one for each target region t and source region s, each with a rank of its own that may
be 0. The rank of a block is that of a reduced-rank regression of the target's currents on the source's rates with all
other sources partialled out; the blocks are then fitted together at these ranks.
Publications: Semedo et al., Neuron 2019 (communication subspaces); Izenman, J. Multivar. Anal. 1975.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.equation import tensor
from curbd.network.fit import BlockRanks, Fit
from curbd.regression.moments import (
    PENALTY_GRID,
    Moments,
    choose_penalties,
    held_out_errors,
    inputs_free,
    moments,
    squared_error,
)
from curbd.regression.moments import solve as ridge
from curbd.regression.time_constant import estimate_tau
from curbd.regression.transitions import TrainingData, as_network, regressors, source_of_regressor, targets, transitions
from curbd.settings.models import BlockRank
from lrfit.estimators.reduced_rank import (
    at_rank,
    canonical,
    in_noise,
    rank_errors,
    regression,
    smallest_rank,
    without_own,
)

Array = np.ndarray
RESAMPLES = 200
"""Resamples of the folds behind the interval of a rank."""
AGAINST_NONE = 2.5
"""Standard errors that speak for a pathway at all. One is too little for a question that is asked of every pair of
regions with the best of many penalties and ranks: of pathways that do not exist, half would get a rank."""
SWEEPS = 100
"""Rounds over the blocks, at most; they end when a round gains less than 1e-6 of the error."""

log = logging.getLogger(__name__)


class Blocks(NamedTuple):
    """What the fit at given ranks needs to know beside its statistics.

    Attributes
    ----------
    source : (regressor,) number of each regressor's source.
    rank : (target region, source region).
    penalty : (target region, source).
    noise : (unit,) variance of the error of each unit's current.
    """

    source: Array
    rank: Array
    penalty: Array
    noise: Array


def block_rank(data: TrainingData, options: BlockRank, rng: np.random.Generator) -> Fit:
    """Fit blocks of low rank in closed form; the random numbers serve the intervals of the ranks alone.

    Returns
    -------
    The network, its penalties, its ranks, and its factors: one latent after another, each from one source region (the
    rows of n that are not 0) to one target region (those of m), every block in the canonical gauge.
    """
    pairs = transitions(data, options.folds)
    tau_s = estimate_tau(data, pairs) if data.tau_s is None else data.tau_s
    y = targets(pairs, data.dt_s, tau_s, data.substeps)
    folds = moments(regressors(pairs), y, pairs.fold)
    blocks, ranks = choose(folds, data.region, (pairs.u**2).sum(0), options, rng)
    network = as_network(solve(folds.total(), blocks), data, tau_s)
    # With several Euler steps a sample the rates between samples come from the fit itself; two rounds settle them.
    for _ in range(2 if data.substeps > 1 else 0):
        network = as_network(solve(moments(regressors(pairs, network), y), blocks), data, tau_s)
    m, n = factors(network.J, pairs.r, data.region, ranks.found)
    return Fit(network._replace(J=m @ n.T), blocks.penalty[:, : data.n_regions], factors=(m, n), ranks=ranks)


def choose(
    folds: Moments, region: Array, input_power: Array, options: BlockRank, rng: np.random.Generator
) -> tuple[Blocks, BlockRanks]:
    """Ranks and penalties by held-out one-step error on the training folds, with all other blocks at full rank.

    The rank of a block is the smallest within one standard error of the best; for a rank above 0 the gain must be
    `AGAINST_NONE` of them. What a unit's own rate tells of its current is its own affair where that leaves fewer
    latents (see `lrfit.estimators.reduced_rank.without_own`). The interval holds 95 % of the ranks that resamples of
    the folds choose.
    """
    n_regions = int(region.max()) + 1
    source_of = source_of_regressor(region, len(input_power))
    penalty = choose_penalties(folds, source_of, inputs_free(np.ones((n_regions, n_regions)), input_power))
    found, low, high = (np.zeros((n_regions, n_regions), dtype=int) for _ in range(3))
    noise = np.empty(len(region))
    for target in range(n_regions):
        rows = np.flatnonzero(region == target)
        full = tensor(penalty[target][source_of])
        mine = folds.of_units(rows)
        share = held_out_errors(mine, mine.without(), full).sum(0)
        noise[rows] = (share * mine.YY.sum(0) / mine.n.sum()).clamp_min(1e-12).cpu().numpy()
        shared = without_own(mine, ridge(mine.total(), full), rows)
        chosen = penalty[target].copy()
        for source in range(n_regions):
            views = [
                _block_errors(in_noise(view, noise[rows]), source_of, penalty[target], source, options)
                for view in (mine, shared)
            ]
            errors = min(views, key=_rank)
            place = target, source
            found[place] = _rank(errors)
            low[place], high[place] = _interval(errors, rng)
            chosen[source] = PENALTY_GRID[views[0][:, :, found[place]].sum(1).argmin()]
            if found[place] == options.max_rank:
                log.info("rank %d is the largest that was tried; more may be needed (max_rank)", options.max_rank)
        penalty[target] = chosen
    ranks = BlockRanks(found, np.minimum(low, found), np.maximum(high, found))
    return Blocks(source_of, found, penalty, noise), ranks


def _block_errors(folds: Moments, source_of: Array, penalty: Array, source: int, options: BlockRank) -> Array:
    """(penalty, fold, rank + 1) held-out error of one block; ``folds`` are those of one target's currents."""
    columns = np.flatnonzero(source_of == source)
    order = np.concatenate([columns, np.setdiff1d(np.arange(folds.ZZ.shape[-1]), columns)])
    ordered = folds._replace(ZZ=folds.ZZ[:, order][:, :, order], YZ=folds.YZ[..., order])
    penalties = []
    for value in PENALTY_GRID:
        block = penalty.copy()
        block[source] = value
        penalties.append(tensor(block[source_of[order]]))
    most = min(options.max_rank, len(columns), folds.YY.shape[1])
    return rank_errors(ordered, penalties, len(columns), most)


def _rank(errors: Array) -> int:
    return smallest_rank(errors, AGAINST_NONE)


def _interval(errors: Array, rng: np.random.Generator) -> Array:
    """2.5 and 97.5 % of the ranks that resamples of the folds (second axis) choose."""
    folds = errors.shape[1]
    found = [_rank(errors[:, rng.integers(folds, size=folds)]) for _ in range(RESAMPLES)]
    return np.quantile(found, [0.025, 0.975], method="nearest")


def solve(total: Moments, blocks: Blocks) -> Array:
    """W (unit, regressor) with every block of J at its rank: each block in turn is solved given the others."""
    W = np.empty(tuple(total.YZ.shape))
    for target, ranks in enumerate(blocks.rank):
        rows = np.flatnonzero(blocks.source == target)
        mine = total.of_units(rows)
        solution = _solve_target(in_noise(mine, blocks.noise[rows]), ranks, blocks, target)
        W[rows] = np.sqrt(blocks.noise[rows])[:, None] * solution.cpu().numpy()
    return W


def _solve_target(m: Moments, ranks: Array, blocks: Blocks, target: int) -> torch.Tensor:
    """The weights of one target region, by cyclic descent in the penalised squared error."""
    penalty = tensor(blocks.penalty[target][blocks.source])
    outside = np.flatnonzero(blocks.source >= len(ranks))
    W = ridge(m, penalty)
    W[:, np.flatnonzero(np.isin(blocks.source, np.flatnonzero(ranks == 0)))] = 0
    sources = np.flatnonzero(ranks)
    error = np.inf
    for _ in range(SWEEPS):
        for source in sources:
            columns = np.flatnonzero(blocks.source == source)
            here = np.concatenate([columns, outside])
            others = np.setdiff1d(np.arange(len(blocks.source)), here)
            partial = Moments(m.ZZ[here][:, here], m.YZ[:, here] - W[:, others] @ m.ZZ[others][:, here], m.YY, m.n)
            W[:, here] = at_rank(regression(partial, penalty[here], len(columns)), int(ranks[source]))
        if not len(sources):
            known = Moments(m.ZZ[outside][:, outside], m.YZ[:, outside], m.YY, m.n)
            W[:, outside] = ridge(known, penalty[outside])
        before, error = error, float((squared_error(m, W) + W**2 @ penalty).sum())
        if len(sources) <= 1 or before - error < 1e-6 * error:
            break
    return W


def factors(J: Array, r: Array, region: Array, rank: Array) -> tuple[Array, Array]:
    """m (target, latent), n (source, latent) with J = m n': the canonical factors of every block, side by side.

    Parameters
    ----------
    r : (pair, unit) rates in which the variance of the latents is measured.
    region : (unit,) number of each unit's region.
    rank : (target region, source region).
    """
    m, n = (np.zeros((len(J), int(rank.sum()))) for _ in range(2))
    first = 0
    for target, source in zip(*np.nonzero(rank), strict=True):
        rows, columns = region == target, region == source
        latents = slice(first, first + rank[target, source])
        m[rows, latents], n[columns, latents] = canonical(
            J[np.ix_(rows, columns)], r[:, columns], int(rank[target, source])
        )
        first = latents.stop
    return m, n
