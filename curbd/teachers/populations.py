"""Regions of many tanh units of which a probe counts the spikes of a few.

Every region is a network of low rank (Mastrogiuseppe & Ostojic, Neuron 2018): what it does to itself and to others
passes through a few sums over all of its units. The currents kept here come from all units of a source, recorded or
not, and reach recorded units; so does the effect of silencing a whole region.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

Array = np.ndarray
TAU_S = 0.1
BIN_S = 0.02
SUBSTEPS = 4
STEP_ONSET_S = 0.5
LATENT_NOISE = 0.4
UNIT_NOISE = 0.3
HIGHEST_RATE_HZ = 100.0
BURN_IN_BINS = 25
"""Bins before a trial begins, without input, so that trials start from what the network does by itself."""
DRIVE_TAU_S = 0.25
"""Each of the two time constants of a hidden drive."""
INDICATOR_TAU_S = 0.5
INDICATOR_NOISE = 0.3


class PopulationTeacher(NamedTuple):
    """What is recorded of a few units, and what all units of their regions did.

    Attributes
    ----------
    activity : (trial, time, unit) spike counts a bin, or with ``calcium`` the fluorescence of an indicator.
    inputs : (trial, time, input) what an observer knows of the input.
    condition : (trial,) 0 or 1, the sign of the input.
    region : (unit,) index of every recorded unit's region.
    bin_s, tau_s : length of a bin, time constant of the units.
    gain : (unit,) change of the log rate with x.
    present : (target, source) True where the pathway exists; the diagonal is True.
    current : (source, trial, time, unit) current of all units of a region into every recorded unit, in units of x.
    silencing : (region, trial, time, unit) change of x when no unit of the region drives any other, within or
        outside of it, from the first bin on, with the same noise; empty where it was not asked for.
    """

    activity: Array
    inputs: Array
    condition: Array
    region: Array
    bin_s: float
    tau_s: float
    gain: Array
    present: Array
    current: Array
    silencing: Array


class Weights(NamedTuple):
    """Weights of low rank: J_ts = M_t K_ts M_s' / N + bulk.

    M (region, unit, latent), K (target, source, latent, latent), input (region, latent), hidden (region, latent),
    bulk (region, unit, unit) or None.
    """

    M: Array
    K: Array
    input: Array
    hidden: Array
    bulk: Array | None


def populations(
    *,
    regions: int = 3,
    units: int = 400,
    recorded: int | Sequence[int] = 30,
    trials: int = 200,
    bins: int = 100,
    rate_hz: float = 8.0,
    rank: int = 2,
    absent: int | Collection[tuple[int, int]] = 2,
    feedforward: bool = False,
    bulk: float = 0.0,
    hidden: float = 0.0,
    calcium: bool = False,
    silencing: bool = False,
    seed: int = 0,
) -> PopulationTeacher:
    """Regions of many tanh units of which a probe counts the spikes of a few.

    x' = (-x + sum over regions s of J_ts tanh(x_s) + B u) / tau, noise along the columns of M and of every unit by
    itself, Euler steps of a quarter of a bin. Counts are Poisson at rate_hz exp(.5 N(0, 1) + g x), g uniform in .4
    to .9, at most 100 Hz.

    Parameters
    ----------
    regions, units, rank : number of regions, of units a region and of latents a region.
    recorded : units a region that are recorded, one number or one for each.
    rate_hz : median rate of a unit at x = 0; the mean rate is about 1.6 times as high.
    absent : pathways between regions without weights, their number or the pairs (target, source).
    feedforward : regions drive only the ones after them.
    bulk : random weights bulk N(0, 1) / sqrt(units) within each region beside the low rank.
    hidden : size of a slow common drive into all latents that an observer does not know.
    calcium : what is recorded is an indicator of the spikes that decays over .5 s, with noise.
    silencing : also run the network with each region silenced.

    Raises
    ------
    ValueError : more units recorded than there are, or more pathways absent than there are.
    """
    counts = [recorded] * regions if isinstance(recorded, int) else list(recorded)
    if len(counts) != regions or max(counts) > units:
        raise ValueError(f"recorded: found {counts}, expected {regions} numbers up to {units}")
    rng = np.random.default_rng(seed)
    present = _present(rng, regions, absent, feedforward)
    weights = _weights(rng, regions, units, rank, present, bulk)
    condition = np.arange(trials) % 2
    total = BURN_IN_BINS + bins
    u = np.zeros((total, trials))
    u[BURN_IN_BINS + round(STEP_ONSET_S / BIN_S) :] = np.where(condition, 1.0, -1.0)
    drive = hidden * slow_drive(rng, total, trials, BIN_S)
    sample = [np.sort(rng.choice(units, count, replace=False)) for count in counts]
    x, current = _simulate(rng, weights, u, drive, sample, silencing)
    gain = rng.uniform(0.4, 0.9, sum(counts))
    base_hz = rate_hz * np.exp(0.5 * rng.standard_normal(len(gain)))
    rate = np.minimum(base_hz * np.exp(gain * x[0]), HIGHEST_RATE_HZ)
    activity = rng.poisson(rate * BIN_S).astype(float)
    if calcium:
        activity = _fluorescence(rng, activity)
    return PopulationTeacher(
        activity=activity,
        inputs=np.moveaxis(u[BURN_IN_BINS:, :, None], 0, 1),
        condition=condition,
        region=np.repeat(np.arange(regions), counts),
        bin_s=BIN_S,
        tau_s=TAU_S,
        gain=gain,
        present=present,
        current=current,
        silencing=x[1:] - x[:1] if silencing else np.zeros((0, *activity.shape)),
    )


def slow_drive(rng: np.random.Generator, bins: int, trials: int, bin_s: float, tau_s: float = DRIVE_TAU_S) -> Array:
    """(time, trial) smooth process of unit variance: noise through two equal time constants, stationary."""
    keep = np.exp(-bin_s / tau_s)
    warm = int(6 * tau_s / bin_s)
    kicks = rng.standard_normal((warm + bins, trials))
    first, second = np.zeros(trials), np.zeros(trials)
    path = np.empty_like(kicks)
    for k, kick in enumerate(kicks):
        first = keep * first + kick
        second = keep * second + first
        path[k] = second
    variance = (1 + keep**2) / (1 - keep**2) ** 3
    return path[warm:] / np.sqrt(variance)


def _present(
    rng: np.random.Generator, regions: int, absent: int | Collection[tuple[int, int]], feedforward: bool
) -> Array:
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


def _weights(rng: np.random.Generator, regions: int, units: int, rank: int, present: Array, bulk: float) -> Weights:
    M = np.stack([np.linalg.qr(rng.standard_normal((units, rank)))[0] * np.sqrt(units) for _ in range(regions)])
    K = np.zeros((regions, regions, rank, rank))
    for t, s in np.argwhere(present):
        K[t, s] = _own_dynamics(rng, rank) if t == s else 0.8 * np.outer(_direction(rng, rank), _direction(rng, rank))
    return Weights(
        M=M,
        K=K,
        input=0.8 * rng.standard_normal((regions, rank)),
        hidden=rng.standard_normal((regions, rank)),
        bulk=bulk * rng.standard_normal((regions, units, units)) / np.sqrt(units) if bulk else None,
    )


def _own_dynamics(rng: np.random.Generator, rank: int) -> Array:
    """Latents rotate in pairs, gain .96 to 1.6; the last of an odd number has no partner."""
    block = 1.6 * rng.uniform(0.6, 1) * np.eye(rank)
    for first in range(0, rank - 1, 2):
        angle = rng.uniform(0.1, 0.6)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        block[first : first + 2, first : first + 2] = block[first, first] * turn
    return block


def _direction(rng: np.random.Generator, rank: int) -> Array:
    vector = rng.standard_normal(rank)
    return vector / np.linalg.norm(vector)


def _simulate(
    rng: np.random.Generator, weights: Weights, u: Array, drive: Array, sample: list[Array], silencing: bool
) -> tuple[Array, Array]:
    """States (version, trial, time, recorded unit), intact first, and currents (source, trial, time, recorded unit)."""
    regions, units, rank = weights.M.shape
    total, trials = u.shape
    versions = regions + 1 if silencing else 1
    alive = np.ones((versions, regions), np.float32)
    for silent in range(1, versions):
        alive[silent, silent - 1] = 0
    M = weights.M.astype(np.float32)
    scaled = np.float32(1 / (SUBSTEPS * TAU_S / BIN_S))
    noise = np.sqrt(scaled)
    states = np.zeros((versions, regions, trials, units), np.float32)
    places = np.cumsum([0] + [len(chosen) for chosen in sample])
    x = np.empty((versions, trials, total - BURN_IN_BINS, places[-1]))
    current = np.zeros((regions, trials, total - BURN_IN_BINS, places[-1]))
    for k in range(total):
        known = np.einsum("n,tl->tnl", u[k], weights.input) + np.einsum("n,tl->tnl", drive[k], weights.hidden)
        if k == BURN_IN_BINS:
            states[:] = states[:1]
        on = alive if k >= BURN_IN_BINS else np.ones_like(alive)
        # The state at the start of bin k is what bin k shows; its current acts from there on.
        if k >= BURN_IN_BINS:
            for t, chosen in enumerate(sample):
                x[:, :, k - BURN_IN_BINS, places[t] : places[t + 1]] = states[:, t][..., chosen]
        for substep in range(SUBSTEPS):
            rates = np.tanh(states)
            latents = np.stack([rates[:, s] @ M[s] / units for s in range(regions)], 1) * on[:, :, None, None]
            if substep == 0 and k >= BURN_IN_BINS:
                for t, chosen in enumerate(sample):
                    sent = np.einsum("slm,snm->snl", weights.K[t], latents[0]) @ M[t][chosen].T
                    if weights.bulk is not None:
                        sent[t] += rates[0, t] @ weights.bulk[t][chosen].T
                    current[:, :, k - BURN_IN_BINS, places[t] : places[t + 1]] = sent
            kick = rng.standard_normal((regions, trials, units), np.float32) * np.float32(UNIT_NOISE)
            latent_kick = LATENT_NOISE * rng.standard_normal((regions, trials, rank))
            for t in range(regions):
                arriving = np.einsum("slm,vsnm->vnl", weights.K[t], latents) + known[t]
                push = (scaled * arriving + noise * latent_kick[t]).astype(np.float32) @ M[t].T
                if weights.bulk is not None:
                    wild = (rates[:, t] * on[:, t, None, None]) @ weights.bulk[t].astype(np.float32).T
                    push += scaled * wild
                states[:, t] += push - scaled * states[:, t] + noise * kick[t]
    return x, current


def _fluorescence(rng: np.random.Generator, counts: Array) -> Array:
    keep = np.exp(-BIN_S / INDICATOR_TAU_S)
    trace = counts.copy()
    for k in range(1, counts.shape[1]):
        trace[:, k] += keep * trace[:, k - 1]
    return trace + INDICATOR_NOISE * rng.standard_normal(trace.shape)
