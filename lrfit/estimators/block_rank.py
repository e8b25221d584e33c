"""Block low rank: low-rank dynamics within each region, and a communication subspace for each pathway.

J is a sum of blocks M_ts N_ts', one for each target region t and source region s. Every block has its own rank, which
may be 0: the rank of a reduced-rank regression of the target's currents on the source's rates with all other sources
partialled out. The blocks are then fitted together at these ranks. Currents are dimensionless. The states of units that
hide their states while they are silent (relu) are those that a network of `curbd.estimators.one_step` infers.

Publications: Semedo et al., Neuron 2019 (communication subspaces); Izenman, J. Multivar. Anal. 1975.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
import torch

from curbd.estimators.one_step import one_step
from curbd.estimators.sparse_silent import noise_variance
from curbd.network.equation import TimeConstant, decay
from curbd.network.fit import BlockRanks, Fit
from curbd.network.silent_states import SilentStates, silent_states
from curbd.network.tensors import tensor
from curbd.progress import tracked
from curbd.regression.cross_validation import choose_penalties, held_out_errors
from curbd.regression.moments import Moments, moments, squared_error
from curbd.regression.ridge import PENALTY_GRID, inputs_free, ridge_weights
from curbd.regression.silent_units import expected_transitions
from curbd.regression.time_constant import estimate_tau
from curbd.regression.transitions import (
    TrainingData,
    as_network,
    regressors,
    source_of_regressor,
    targets,
    transitions,
)
from curbd.settings.estimators import BlockRank, OneStep
from lrfit.estimators.reduced_rank import (
    at_rank,
    in_noise_units,
    rank_errors,
    regression,
    smallest_rank,
    without_own_rate,
)
from lrfit.network import canonical

Array = np.ndarray
FOLD_RESAMPLES = 200
"""Resamples of the folds from which the interval of a rank is computed."""
STANDARD_ERRORS_OF_A_PATHWAY = 2.5
"""A pathway gets a rank above 0 only if rank 0 is worse by this number of standard errors. One standard error is too
little because every pair of regions is tested at the best of many penalties and ranks: half of the absent pathways
would get a rank."""
MAX_BLOCK_SWEEPS = 100
"""Largest number of rounds over the blocks."""
LEAST_SWEEP_GAIN = 1e-6
"""Rounds over the blocks end when a round lowers the error by less than this share."""

log = logging.getLogger(__name__)


class BlockChoice(NamedTuple):
    """Ranks, penalties and noise variances with which the blocks of weights are fitted.

    Attributes
    ----------
    source : (regressor,) index of each regressor's source.
    rank : (target region, source region) rank of each block.
    penalty : (target region, source) ridge penalty of each block.
    noise : (unit,) variance of the error with which each unit's current is predicted.
    """

    source: Array
    rank: Array
    penalty: Array
    noise: Array


def block_rank(data: TrainingData, options: BlockRank, rng: np.random.Generator) -> Fit:
    """Fit a network whose blocks of weights, one for each pair of regions, have low rank, in closed form.

    Parameters
    ----------
    data : training trials.
    options : largest rank that is tried, and number of cross-validation folds.
    rng : random generator of the resamples from which the intervals of the ranks are computed; the network does not
        depend on the random numbers.

    Returns
    -------
    The network, its penalties, the ranks of the blocks, and the factors m and n of J = m n'. Every latent belongs to
    one block: its column of n is 0 outside the source region, and its column of m is 0 outside the target region. Every
    block is in the canonical gauge (see `lrfit.network.canonical`).
    """
    pairs, states = transitions(data, options.folds), None
    if data.nonlinearity.hides_silent:
        states, tau_s = _inferred_states(data, rng)
        pairs, _ = expected_transitions(pairs, states)
    else:
        tau_s = estimate_tau(data, pairs) if data.tau_s is None else data.tau_s
    y = targets(pairs, decay(data.dt_s, tau_s, data.substeps))
    folds = moments(regressors(pairs), y, pairs.fold)
    blocks, ranks = choose(folds, data.region, (pairs.u**2).sum(0), options, rng)
    network = as_network(solve(folds.total(), blocks), data, tau_s)
    # With several Euler steps a sample the rates between samples come from the fit itself; they converge in two rounds.
    for _ in range(2 if data.substeps > 1 else 0):
        network = as_network(solve(moments(regressors(pairs, network), y), blocks), data, tau_s)
    m, n = factors(network.J, pairs.r, data.region, ranks.rank)
    network = network._replace(J=m @ n.T)
    fit = Fit(network, blocks.penalty[:, : data.n_regions], factors=(m, n), ranks=ranks)
    if states is None:
        return fit
    noise = noise_variance(network, states, transitions(data), regressors(pairs), 0.0, np.arange(len(data.region)))
    in_a_bin = (1 - network.decay) * np.sqrt(noise)
    return fit._replace(process_noise_sd=in_a_bin, measurement_noise_sd=np.zeros(len(noise)))


def _inferred_states(data: TrainingData, rng: np.random.Generator) -> tuple[SilentStates, TimeConstant]:
    """The states that a network of full rank infers, and the time constant of this network.

    (Inferring the states again with the network of low rank, in turn with its weights, was no better in development.)
    """
    full = one_step(data, OneStep(), rng)
    network, sd = full.network, np.asarray(full.process_noise_sd)
    return silent_states(network, data.r, data.u, (sd / (1 - network.decay)) ** 2), network.tau_s


def choose(
    folds: Moments, region: Array, input_power: Array, options: BlockRank, rng: np.random.Generator
) -> tuple[BlockChoice, BlockRanks]:
    """Choose the rank and the penalty of every block by the held-out one-step error on the training folds.

    All other blocks have full rank while one block is examined. The rank of a block is the smallest rank within one
    standard error of the best rank; a rank above 0 is chosen only if rank 0 is worse by `STANDARD_ERRORS_OF_A_PATHWAY`.
    The contribution of a unit's own rate to its current is left out of the block if that lowers the rank (see
    `lrfit.estimators.reduced_rank.without_own_rate`). The interval of a rank contains 95 % of the ranks that are chosen
    from resamples of the folds.

    Parameters
    ----------
    folds : sufficient statistics of the one-step regression in each fold.
    region : (unit,) index of each unit's region.
    input_power : (input,) sum of squares of each input.
    options : largest rank that is tried.
    rng : random generator of the resamples.

    Returns
    -------
    The choice with which the blocks are fitted, and the ranks with their intervals.
    """
    n_regions = int(region.max()) + 1
    source_of = source_of_regressor(region, len(input_power))
    penalty = choose_penalties(folds, source_of, inputs_free(np.ones((n_regions, n_regions)), input_power))
    ranks, low, high = (np.zeros((n_regions, n_regions), dtype=int) for _ in range(3))
    noise = np.empty(len(region))
    for target in tracked(range(n_regions), "ranks of the target regions"):
        rows = np.flatnonzero(region == target)
        full = tensor(penalty[target][source_of])
        of_target = folds.of_units(rows)
        share = held_out_errors(of_target, of_target.without(), full).sum(0)
        noise[rows] = (share * of_target.YY.sum(0) / of_target.n.sum()).clamp_min(1e-12).cpu().numpy()
        without_own = without_own_rate(of_target, ridge_weights(of_target.total(), full), rows)
        chosen = penalty[target].copy()
        for source in range(n_regions):
            candidates = [
                _block_errors(in_noise_units(statistics, noise[rows]), source_of, penalty[target], source, options)
                for statistics in (of_target, without_own)
            ]
            errors = min(candidates, key=_rank)
            rank = _rank(errors)
            ranks[target, source] = rank
            low[target, source], high[target, source] = _interval(errors, rng)
            chosen[source] = PENALTY_GRID[candidates[0][:, :, rank].sum(1).argmin()]
            if rank == options.max_rank:
                log.info("rank %d is the largest rank tried; if a higher rank may be needed, raise max_rank", rank)
        penalty[target] = chosen
    intervals = BlockRanks(ranks, np.minimum(low, ranks), np.maximum(high, ranks))
    return BlockChoice(source_of, ranks, penalty, noise), intervals


def _block_errors(folds: Moments, source_of: Array, penalty: Array, source: int, options: BlockRank) -> Array:
    """Return the held-out error of one block for every penalty and rank: (penalty, fold, rank + 1).

    Parameters
    ----------
    folds : sufficient statistics of each fold for the currents of one target region, in units of their noise.
    source_of : (regressor,) index of each regressor's source.
    penalty : (source,) penalties of the other blocks.
    source : index of the source region of the block.
    options : largest rank that is tried.
    """
    columns = np.flatnonzero(source_of == source)
    order = np.concatenate([columns, np.setdiff1d(np.arange(folds.ZZ.shape[-1]), columns)])
    ordered = folds._replace(ZZ=folds.ZZ[:, order][:, :, order], YZ=folds.YZ[..., order])
    penalties = []
    for value in PENALTY_GRID:
        block = penalty.copy()
        block[source] = value
        penalties.append(tensor(block[source_of[order]]))
    max_rank = min(options.max_rank, len(columns), folds.YY.shape[1])
    return rank_errors(ordered, penalties, len(columns), max_rank)


def _rank(errors: Array) -> int:
    return smallest_rank(errors, STANDARD_ERRORS_OF_A_PATHWAY)


def _interval(errors: Array, rng: np.random.Generator) -> Array:
    """2.5 and 97.5 % quantiles of the ranks that resamples of the folds (second axis) choose."""
    folds = errors.shape[1]
    ranks = [_rank(errors[:, rng.integers(folds, size=folds)]) for _ in range(FOLD_RESAMPLES)]
    return np.quantile(ranks, [0.025, 0.975], method="nearest")


def solve(total: Moments, blocks: BlockChoice) -> Array:
    """Fit weights W in which every block of J has its rank; the blocks are fitted in turn, given the others.

    Parameters
    ----------
    total : sufficient statistics of the one-step regression of currents on rates, inputs and a constant.
    blocks : ranks, penalties and noise variances of the blocks.

    Returns
    -------
    W : (unit, regressor) recurrent weights J, input weights B and bias b, in this order.
    """
    W = np.empty(tuple(total.YZ.shape))
    for target, ranks in enumerate(blocks.rank):
        rows = np.flatnonzero(blocks.source == target)
        of_target = in_noise_units(total.of_units(rows), blocks.noise[rows])
        solution = _solve_target(of_target, ranks, blocks, target)
        W[rows] = np.sqrt(blocks.noise[rows])[:, None] * solution.cpu().numpy()
    return W


def _solve_target(m: Moments, ranks: Array, blocks: BlockChoice, target: int) -> torch.Tensor:
    """Weights of one target region (unit, regressor), by cyclic descent in the penalised squared error."""
    penalty = tensor(blocks.penalty[target][blocks.source])
    outside = np.flatnonzero(blocks.source >= len(ranks))
    W = ridge_weights(m, penalty)
    W[:, np.flatnonzero(np.isin(blocks.source, np.flatnonzero(ranks == 0)))] = 0
    sources = np.flatnonzero(ranks)
    error = np.inf
    for _ in range(MAX_BLOCK_SWEEPS):
        for source in sources:
            columns = np.flatnonzero(blocks.source == source)
            here = np.concatenate([columns, outside])
            others = np.setdiff1d(np.arange(len(blocks.source)), here)
            partial = Moments(m.ZZ[here][:, here], m.YZ[:, here] - W[:, others] @ m.ZZ[others][:, here], m.YY, m.n)
            W[:, here] = at_rank(regression(partial, penalty[here], len(columns)), int(ranks[source]))
        if not len(sources):
            inputs_and_bias = Moments(m.ZZ[outside][:, outside], m.YZ[:, outside], m.YY, m.n)
            W[:, outside] = ridge_weights(inputs_and_bias, penalty[outside])
        before, error = error, float((squared_error(m, W) + W**2 @ penalty).sum())
        if len(sources) <= 1 or before - error < LEAST_SWEEP_GAIN * error:
            break
    return W


def factors(J: Array, r: Array, region: Array, rank: Array) -> tuple[Array, Array]:
    """Factorise J = m n' block by block, with each block in the canonical gauge.

    Parameters
    ----------
    J : (target, source) recurrent weights.
    r : (sample, unit) rates from which the variance of the latents is computed.
    region : (unit,) index of each unit's region.
    rank : (target region, source region) rank of each block.

    Returns
    -------
    m : (target, latent) left factors; the latents of all blocks follow one another.
    n : (source, latent) right factors.
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
