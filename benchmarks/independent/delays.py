"""Latents that two or three groups of units share with known delays (Gokcen et al., mDLAG): which group leads?

The file states which groups share a latent, its delay in each group, and its time scale, but not its direction among
the units. For every pair of groups, the shared directions are the leading canonical directions of the two groups, in
as many dimensions as there are shared latents; they are matched to the latents by the order of their time scales.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

import curbd
from benchmarks.independent import pairs
from benchmarks.independent.answers import Answer, Role
from benchmarks.independent.delayed_latents import write_delayed
from benchmarks.independent.networks import MODELS, fitted, session, training_rates

Array = np.ndarray
SIGNS = "who leads, share of shared latents with the right sign"
PRIVATE = "share of the current between groups that runs along private directions"
MAX_LAG = 3
SEEDS = range(10)


class Shared(NamedTuple):
    """The latents that two groups share.

    Attributes
    ----------
    first, second : indices of the groups.
    lead_bins : (latent,) by how many bins the first group leads, in the order of rising time scales.
    """

    first: int
    second: int
    lead_bins: Array


def answers(files: list[Path]) -> Iterator[Answer]:
    """Do currents between groups run from the leading to the lagging group, along the shared latents?"""
    for path in files:
        yield from _of_file(path, path.stem)
    with tempfile.TemporaryDirectory() as folder:
        for seed in SEEDS:
            path = Path(folder) / f"{seed}.h5"
            write_delayed(path, seed)
            yield from _of_file(path, f"simulated here, seed {seed}")


def _of_file(path: Path, case: str) -> Iterator[Answer]:
    """All methods on one recording of groups with shared latents."""
    recording = session(path, {}).recording
    with h5py.File(path) as file:
        loads, delay, scale = (file[f"known/{name}"][:] for name in ("loads", "delay", "timescale_bins"))
    r = pairs.standardised(training_rates(recording))
    index = np.unique(recording["region"].values.astype(str), return_inverse=True)[1]
    shared = [_shared(first, second, loads, delay, scale) for first, second in combinations(range(len(loads)), 2)]
    sd = training_rates(recording).std((0, 1))
    measures: dict[tuple[str, Role], Array] = {
        (name, "model"): curbd.view(recording, fitted(recording, model)).network.J * sd / sd[:, None]
        for name, model in MODELS.items()
    }
    measures["VAR(1) ridge", "baseline"] = pairs.autoregression(r)
    for (method, role), weights in measures.items():
        right, along = list[bool](), list[tuple[float, float]]()
        for each in shared:
            first, second = _directions(r, index, each)
            out = weights[np.ix_(index == each.second, index == each.first)]
            back = weights[np.ix_(index == each.first, index == each.second)]
            for latent, lead in enumerate(each.lead_bins):
                a, b = first[:, latent], second[:, latent]
                right.append(bool((abs(b @ out @ a) > abs(a @ back @ b)) == (lead > 0)))
            ways = ((out, each.first, first), (back, each.second, second))
            along += [_power(block, r[..., index == sender], basis) for block, sender, basis in ways]
        yield Answer(SIGNS, case, method, role, float(np.mean(right)))
        private, total = np.sum(along, axis=0)
        yield Answer(PRIVATE, case, method, role, float(private / total))
    yield Answer(SIGNS, case, "lagged cross-correlation", "baseline", _by_correlation(r, index, shared))
    yield Answer(SIGNS, case, "all latents", "ceiling", 1.0)
    yield Answer(SIGNS, case, "a coin", "chance", 0.5)


def _shared(first: int, second: int, loads: Array, delay: Array, scale: Array) -> Shared:
    both = np.flatnonzero((loads[first] > 0) & (loads[second] > 0))
    both = both[np.argsort(scale[both])]
    return Shared(first, second, delay[second, both] - delay[first, both])


def _directions(r: Array, index: Array, shared: Shared) -> tuple[Array, Array]:
    """Canonical directions (unit, latent) of both groups, in the order of rising time scales of the canonical series.

    The covariance of the two groups is summed over lags in both directions, so that no group is favoured.
    """
    x, y = r[..., index == shared.first], r[..., index == shared.second]
    covariance = sum(_cross(x, y, lag) for lag in range(-MAX_LAG, MAX_LAG + 1))
    white_x, white_y = _whitening(x), _whitening(y)
    left, _, right = np.linalg.svd(white_x @ covariance @ white_y)
    n_shared = len(shared.lead_bins)
    first, second = white_x @ left[:, :n_shared], white_y @ right[:n_shared].T
    series = x @ first
    memory = (series[:, 1:] * series[:, :-1]).mean((0, 1)) / (series**2).mean((0, 1))
    order = np.argsort(memory)
    return first[:, order], second[:, order]


def _cross(x: Array, y: Array, lag: int) -> Array:
    """Covariance (unit of x, unit of y) of x with y some bins later."""
    n_bins = x.shape[1]
    before, after = x[:, max(-lag, 0) : n_bins - max(lag, 0)], y[:, max(lag, 0) : n_bins - max(-lag, 0)]
    return np.asarray(np.einsum("kti,ktj->ij", before, after) / (before.shape[0] * before.shape[1]))


def _whitening(x: Array) -> Array:
    values, vectors = np.linalg.eigh(np.cov(x.reshape(-1, x.shape[2]).T))
    return np.asarray(vectors / np.sqrt(values) @ vectors.T)


def _power(block: Array, sent: Array, basis: Array) -> tuple[float, float]:
    """Variance of a current that activity outside of some directions (unit, latent) sends, and of the whole current."""
    sent = sent.reshape(-1, sent.shape[2])
    latents = sent @ basis
    shared = latents @ np.linalg.lstsq(latents, sent, rcond=None)[0]
    return float(((sent - shared) @ block.T).var(0).sum()), float((sent @ block.T).var(0).sum())


def _by_correlation(r: Array, index: Array, all_shared: list[Shared]) -> float:
    """Share of right signs if the group leads whose canonical series correlates more with the other's future."""
    right = list[bool]()
    for shared in all_shared:
        first, second = _directions(r, index, shared)
        x, y = r[..., index == shared.first] @ first, r[..., index == shared.second] @ second
        ahead = sum(np.diag(_cross(x, y, lag)) ** 2 - np.diag(_cross(x, y, -lag)) ** 2 for lag in range(1, MAX_LAG + 1))
        right += list((ahead > 0) == (shared.lead_bins > 0))
    return float(np.mean(right))
