"""Weights of teachers of populations: networks of low rank within and between regions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

Array = np.ndarray
LINEAR_GROWTH = 0.8
"""Largest real part of the eigenvalues of the weights between latents of linear units; activity grows without limit
beyond 1."""


class Weights(NamedTuple):
    """Low-rank weights J_ts = M_t K_ts M_s' / N + bulk from region s to region t, with N units per region.

    Attributes
    ----------
    M : (region, unit, latent) loadings; 0 for latents beyond the number of latents of a region.
    K : (target, source, latent, latent) weights between latents.
    early : (target, source, latent, latent) weights between latents in the first half of the trial.
    input : (region, latent) weights of the recorded input.
    hidden : (drive, region, latent) weights of the hidden drives.
    bulk : (region, unit, unit) random weights within regions, or None.
    """

    M: Array
    K: Array
    early: Array
    input: Array
    hidden: Array
    bulk: Array | None


def present_pathways(
    rng: np.random.Generator, regions: int, absent: int | Collection[tuple[int, int]], feedforward: bool
) -> Array:
    """Choose which pathways exist.

    Parameters
    ----------
    rng : random numbers.
    regions : number of regions.
    absent : pathways between regions that do not exist: their number, or pairs (target, source).
    feedforward : whether regions send currents only to regions with a higher index.

    Returns
    -------
    (target, source) bool; the diagonal is True.

    Raises
    ------
    ValueError : the number of absent pathways exceeds the number of pathways.
    """
    present = np.ones((regions, regions), bool)
    if feedforward:
        present = np.tril(present)
    pairs = np.argwhere(present & ~np.eye(regions, dtype=bool))
    if isinstance(absent, int):
        if absent > len(pairs):
            raise ValueError(f"absent: found {absent}, expected at most {len(pairs)}")
        missing = pairs[rng.choice(len(pairs), absent, replace=False)]
    else:
        missing = np.array(list(absent)).reshape(-1, 2)
    present[missing[:, 0], missing[:, 1]] = False
    return present


def draw_weights(
    rng: np.random.Generator,
    units: int,
    ranks: Sequence[int],
    pathway_rank: int,
    present: Array,
    late: Collection[tuple[int, int]],
    drives: int,
    bulk: float,
    linear: bool,
) -> Weights:
    """Draw the weights of all regions.

    Parameters
    ----------
    rng : random numbers.
    units : number of units per region.
    ranks : (region,) numbers of latents.
    pathway_rank : rank of the weights of a pathway; smaller where a region has fewer latents.
    present : (target, source) bool, True for pathways that exist.
    late : pathways (target, source) that send a current only from the middle of the trial on.
    drives : number of hidden drives.
    bulk : size of random weights within each region.
    linear : whether units are linear; weights between latents are then scaled, so that the network is stable.
    """
    regions, latents = len(ranks), max(ranks)
    M = np.zeros((regions, units, latents))
    for loading, rank in zip(M, ranks, strict=True):
        loading[:, :rank] = np.linalg.qr(rng.standard_normal((units, rank)))[0] * np.sqrt(units)
    K = np.zeros((regions, regions, latents, latents))
    for t, s in np.argwhere(present):
        own = _own_dynamics(rng, ranks[t]) if t == s else _pathway(rng, ranks[t], ranks[s], pathway_rank)
        K[t, s, : ranks[t], : ranks[s]] = own
    if linear:
        whole = K.swapaxes(1, 2).reshape(regions * latents, -1)
        K *= LINEAR_GROWTH / np.linalg.eigvals(whole).real.max()
    early = K.copy()
    for t, s in late:
        early[t, s] = 0
    return Weights(
        M=M,
        K=K,
        early=early,
        input=0.8 * rng.standard_normal((regions, latents)),
        hidden=rng.standard_normal((drives, regions, latents)),
        bulk=bulk * rng.standard_normal((regions, units, units)) / np.sqrt(units) if bulk else None,
    )


def _pathway(rng: np.random.Generator, target_latents: int, source_latents: int, rank: int) -> Array:
    """Draw weights between the latents of two regions, with singular values of .8 and random directions."""
    if rank == 1:
        return 0.8 * np.outer(_direction(rng, target_latents), _direction(rng, source_latents))
    least = min(rank, target_latents, source_latents)
    into, out = (np.linalg.qr(rng.standard_normal((size, least)))[0] for size in (target_latents, source_latents))
    return 0.8 * into @ out.T


def _own_dynamics(rng: np.random.Generator, rank: int) -> Array:
    """Draw weights within a region: pairs of latents rotate, gain .96 to 1.6; an odd latent does not rotate."""
    block = 1.6 * rng.uniform(0.6, 1) * np.eye(rank)
    for first in range(0, rank - 1, 2):
        angle = rng.uniform(0.1, 0.6)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        block[first : first + 2, first : first + 2] = block[first, first] * turn
    return block


def _direction(rng: np.random.Generator, rank: int) -> Array:
    vector = rng.standard_normal(rank)
    return vector / np.linalg.norm(vector)
