"""Teachers with many tanh units per region, of which the spikes of a few are recorded.

Every region is a network of low rank (Mastrogiuseppe & Ostojic, Neuron 2018): the currents within the region and to
other regions depend on a few sums over all units of the region. The teacher stores the currents that all units of a
source, recorded and unrecorded, send to the recorded units, and the effect of silencing a whole region.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np

from curbd.teachers.population_weights import Weights, draw_weights, present_pathways
from curbd.teachers.spikes import fluorescence, recovery, spikes

Array = np.ndarray
UNIT_TAU_S = 0.1
BIN_S = 0.02
LONGEST_EULER_STEP_S = 0.005
"""Longest Euler step, in seconds."""
STEP_ONSET_S = 0.5
LATENT_NOISE_SD = 0.4
UNIT_NOISE_SD = 0.3
MAX_RATE_HZ = 100.0
BURN_IN_S = 0.5
"""Time without input before each trial, in seconds, so that trials start from spontaneous activity."""
DRIVE_TAU_S = 0.25
"""Each of the two time constants of the hidden drive, in seconds."""


class PopulationTeacher(NamedTuple):
    """Spikes or fluorescence of the recorded units, and the currents of all units of their regions.

    Attributes
    ----------
    activity : (trial, time, unit) spike counts per bin, or fluorescence of a calcium indicator at the end of a frame.
    inputs : (trial, time, input) recorded inputs.
    condition : (trial,) 0 or 1, for the sign of the input.
    region : (unit,) index of the region of every recorded unit.
    bin_s : width of a bin or of a frame in seconds.
    tau_s : time constant of the units in seconds.
    gain : (unit,) change of the log rate per unit of the state x.
    present : (target, source) True if the pathway exists; the diagonal is True.
    current : (source, trial, time, unit) current from all units of a region to every recorded unit, dimensionless, in
        the units of x in tau dx/dt = -x + ...
    silencing : (region, trial, time, unit) change of x if no unit of the region sends a current, within its region or
        to other regions, from the first bin on and with unchanged noise; empty if silencing was not simulated.
    input_weight : (unit,) weight of the recorded input into the state of every recorded unit; empty if it is not kept.
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
    input_weight: Array = np.zeros(0)


def populations(
    *,
    regions: int = 3,
    units: int = 400,
    recorded: int | Sequence[int] = 30,
    trials: int = 200,
    bins: int = 100,
    bin_s: float = BIN_S,
    rate_hz: float = 8.0,
    rank: int | Sequence[int] = 2,
    pathway_rank: int = 1,
    absent: int | Collection[tuple[int, int]] = 2,
    feedforward: bool = False,
    late: Collection[tuple[int, int]] = (),
    linear: bool = False,
    bulk: float = 0.0,
    hidden: float = 0.0,
    drives: int = 1,
    refractory_s: float = 0.0,
    latency_sd_s: float = 0.0,
    trial_gain_sd: float = 0.0,
    indicator_s: float | None = None,
    frame_bins: int = 1,
    fluorescence_noise_sd: float = 0.3,
    silencing: bool = False,
    seed: int = 0,
) -> PopulationTeacher:
    """Simulate regions of many tanh units, of which the spikes of a few are recorded.

    The state x follows x' = (-x + sum over regions s of J_ts tanh(x_s) + B u) / tau with input u, noise along the
    columns of the loadings and independent noise of every unit, in Euler steps of at most 5 ms. Counts are Poisson with
    the rate rate_hz exp(.5 N(0, 1) + g x), where the gain g is uniform between .4 and .9, and the rate is at most 100
    Hz. A refractory unit has this rate times 1 - exp(-t / refractory_s) for every spike of the unit a time t ago.

    Parameters
    ----------
    regions : number of regions.
    units : number of units per region.
    recorded : number of recorded units per region: one number, or one number per region.
    trials : number of trials.
    bins : number of bins per trial.
    bin_s : bin width in seconds.
    rate_hz : median rate of a unit at x = 0, in Hz; the mean rate is about 1.6 times as high.
    rank : number of latents per region: one number, or one number per region.
    pathway_rank : rank of the weights of every pathway between regions that exists; smaller where a region has fewer
        latents.
    absent : pathways between regions without weights: their number, or pairs (target, source).
    feedforward : whether regions send currents only to regions with a higher index.
    late : pathways (target, source) that send a current only from the middle of the trial on.
    linear : whether units are linear instead of tanh units; weights between latents are then scaled, so that the
        network is stable.
    bulk : size of random weights bulk N(0, 1) / sqrt(units) within each region, in addition to the low-rank weights.
    hidden : size of slow common drives into all latents, which are not recorded.
    drives : number of these drives; they have no effect if ``hidden`` is 0.
    refractory_s : time constant in seconds with which the rate of a unit recovers from its spike; 0 for units without
        refractoriness.
    latency_sd_s : standard deviation over trials of the time, in seconds, by which the input reaches the network
        earlier or later than the recorded input says.
    trial_gain_sd : standard deviation over trials of a change of the log rates of all units, the same in all bins of a
        trial.
    indicator_s : decay time in seconds of a calcium indicator whose fluorescence is recorded instead of spikes; None
        for spikes.
    frame_bins : number of bins in a frame of the fluorescence. Inputs, currents and effects of silencing are
        averages over the bins of a frame.
    fluorescence_noise_sd : standard deviation of the noise of the fluorescence, relative to the jump at a spike.
    silencing : whether the network is also simulated with each region silenced.
    seed : seed for weights, noise and spikes.

    Raises
    ------
    ValueError : the number of recorded units or of latents exceeds the number of units, or the number of absent
        pathways exceeds the number of pathways.
    """
    counts, ranks = _numbers("recorded", recorded, regions, units), _numbers("rank", rank, regions, units)
    rng = np.random.default_rng(seed)
    present = present_pathways(rng, regions, absent, feedforward)
    weights = draw_weights(rng, units, ranks, pathway_rank, present, late, drives, bulk, linear)
    condition = np.arange(trials) % 2
    before = round(BURN_IN_S / bin_s)
    total = before + bins
    recorded_input = _step_input(condition, total, np.full(trials, before + round(STEP_ONSET_S / bin_s)))
    u = recorded_input
    if latency_sd_s:
        onset_s = STEP_ONSET_S + latency_sd_s * rng.standard_normal(trials)
        u = _step_input(condition, total, before + np.round(onset_s / bin_s))
    drive = hidden * np.stack([slow_drive(rng, total, trials, bin_s) for _ in range(drives)])
    sample = [np.sort(rng.choice(units, count, replace=False)) for count in counts]
    x, current = _simulate(rng, weights, u, drive, sample, silencing, np.copy if linear else np.tanh, bin_s)
    gain = rng.uniform(0.4, 0.9, sum(counts))
    base_hz = rate_hz * np.exp(0.5 * rng.standard_normal(len(gain)))
    log_gain = trial_gain_sd * rng.standard_normal((trials, 1, 1)) if trial_gain_sd else 0.0
    rate = np.minimum(base_hz * np.exp(gain * x[0] + log_gain), MAX_RATE_HZ)
    activity = spikes(rng, rate * bin_s, recovery(refractory_s, bin_s))
    teacher = PopulationTeacher(
        activity=activity,
        inputs=np.moveaxis(recorded_input[before:, :, None], 0, 1),
        condition=condition,
        region=np.repeat(np.arange(regions), counts),
        bin_s=bin_s,
        tau_s=UNIT_TAU_S,
        gain=gain,
        present=present,
        current=current,
        silencing=x[1:] - x[:1] if silencing else np.zeros((0, *activity.shape)),
        input_weight=np.concatenate([weights.M[t][chosen] @ weights.input[t] for t, chosen in enumerate(sample)]),
    )
    return teacher if indicator_s is None else _imaged(rng, teacher, indicator_s, frame_bins, fluorescence_noise_sd)


def _step_input(condition: Array, bins: int, onset: Array) -> Array:
    """Return the input (time, trial), a step of -1 or 1 by condition from the onset (trial,) on, in bins."""
    return np.where(np.arange(bins)[:, None] >= onset, np.where(condition, 1.0, -1.0), 0.0)


def slow_drive(rng: np.random.Generator, bins: int, trials: int, bin_s: float) -> Array:
    """Simulate a stationary process of unit variance: white noise filtered by two time constants of `DRIVE_TAU_S`.

    Parameters
    ----------
    rng : random numbers.
    bins : number of bins.
    trials : number of trials.
    bin_s : bin width in seconds.

    Returns
    -------
    (time, trial) process.
    """
    keep = np.exp(-bin_s / DRIVE_TAU_S)
    warm = int(6 * DRIVE_TAU_S / bin_s)
    kicks = rng.standard_normal((warm + bins, trials))
    first, second = np.zeros(trials), np.zeros(trials)
    path = np.empty_like(kicks)
    for k, kick in enumerate(kicks):
        first = keep * first + kick
        second = keep * second + first
        path[k] = second
    variance = (1 + keep**2) / (1 - keep**2) ** 3
    return path[warm:] / np.sqrt(variance)


def _numbers(name: str, given: int | Sequence[int], regions: int, most: int) -> list[int]:
    """Return one number for each region, from one number for all regions or a number for each."""
    numbers = [given] * regions if isinstance(given, int) else list(given)
    if len(numbers) != regions or max(numbers) > most:
        raise ValueError(f"{name}: found {numbers}, expected {regions} numbers up to {most}")
    return numbers


def _simulate(
    rng: np.random.Generator,
    weights: Weights,
    u: Array,
    drive: Array,
    sample: list[Array],
    silencing: bool,
    rate_of: Callable[[Array], Array],
    bin_s: float,
) -> tuple[Array, Array]:
    """Simulate the network, intact and with each region silenced.

    Returns
    -------
    (version, trial, time, recorded unit) states, with the intact network first; (source, trial, time, recorded unit)
    currents.
    """
    regions, units, rank = weights.M.shape
    total, trials = u.shape
    versions = regions + 1 if silencing else 1
    alive = np.ones((versions, regions), np.float32)
    for silent in range(1, versions):
        alive[silent, silent - 1] = 0
    M = weights.M.astype(np.float32)
    before, substeps = round(BURN_IN_S / bin_s), int(np.ceil(bin_s / LONGEST_EULER_STEP_S - 1e-9))
    scaled = np.float32(1 / (substeps * UNIT_TAU_S / bin_s))
    noise = np.sqrt(scaled)
    states = np.zeros((versions, regions, trials, units), np.float32)
    places = np.cumsum([0] + [len(chosen) for chosen in sample])
    x = np.empty((versions, trials, total - before, places[-1]))
    current = np.zeros((regions, trials, total - before, places[-1]))
    for k in range(total):
        K = weights.K if k >= before + (total - before) // 2 else weights.early
        known = np.einsum("n,tl->tnl", u[k], weights.input) + np.einsum("dn,dtl->tnl", drive[:, k], weights.hidden)
        if k == before:
            states[:] = states[:1]
        on = alive if k >= before else np.ones_like(alive)
        # The state at the start of bin k is what bin k shows; its current acts from there on.
        if k >= before:
            for t, chosen in enumerate(sample):
                x[:, :, k - before, places[t] : places[t + 1]] = states[:, t][..., chosen]
        for substep in range(substeps):
            rates = rate_of(states)
            latents = np.stack([rates[:, s] @ M[s] / units for s in range(regions)], 1) * on[:, :, None, None]
            if substep == 0 and k >= before:
                for t, chosen in enumerate(sample):
                    sent = np.einsum("slm,snm->snl", K[t], latents[0]) @ M[t][chosen].T
                    if weights.bulk is not None:
                        sent[t] += rates[0, t] @ weights.bulk[t][chosen].T
                    current[:, :, k - before, places[t] : places[t + 1]] = sent
            kick = rng.standard_normal((regions, trials, units), np.float32) * np.float32(UNIT_NOISE_SD)
            latent_kick = LATENT_NOISE_SD * rng.standard_normal((regions, trials, rank))
            for t in range(regions):
                arriving = np.einsum("slm,vsnm->vnl", K[t], latents) + known[t]
                push = (scaled * arriving + noise * latent_kick[t]).astype(np.float32) @ M[t].T
                if weights.bulk is not None:
                    wild = (rates[:, t] * on[:, t, None, None]) @ weights.bulk[t].astype(np.float32).T
                    push += scaled * wild
                states[:, t] += push - scaled * states[:, t] + noise * kick[t]
    return x, current


def _imaged(
    rng: np.random.Generator, teacher: PopulationTeacher, indicator_s: float, frame_bins: int, noise_sd: float
) -> PopulationTeacher:
    """Replace spike counts by the fluorescence of a decaying indicator, and all else by averages over frames."""
    trace = fluorescence(rng, teacher.activity, teacher.bin_s, indicator_s, frame_bins)
    frames = trace.shape[1]

    def averaged(values: Array) -> Array:
        whole = values[..., : frames * frame_bins, :]
        return whole.reshape(*values.shape[:-2], frames, frame_bins, values.shape[-1]).mean(-2)

    return teacher._replace(
        activity=trace + noise_sd * rng.standard_normal(trace.shape),
        inputs=averaged(teacher.inputs),
        bin_s=teacher.bin_s * frame_bins,
        current=averaged(teacher.current),
        silencing=averaged(teacher.silencing) if len(teacher.silencing) else np.zeros((0, *trace.shape)),
    )
