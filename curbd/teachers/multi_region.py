"""Simulated regions of units that drive one another."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pandas as pd

from curbd.network.equation import Network, simulate
from curbd.network.nonlinearity import TANH, Nonlinearity
from curbd.teachers.teacher import CLIP, Teacher

Array = np.ndarray


class Laser(NamedTuple):
    """A real perturbation of some units, in the trials whose column ``laser`` is ``on``.

    Attributes
    ----------
    region : region of the perturbed units.
    start_s, stop_s : start and end of the perturbation, s from the start of the trial.
    drive : current that the laser adds, in the (dimensionless) units of the state x; None for a laser that silences
        units: their rate r is then that of a silent unit, whatever the state is: -1 for tanh, 0 otherwise.
    share : share of the region's units that the laser reaches, counted from the first unit.
    """

    region: str
    start_s: float
    stop_s: float
    drive: float | None = None
    share: float = 1.0


def multi_region(
    *,
    regions: Collection[str] = ("A", "B", "C"),
    units: int | Collection[int] = 40,
    trials: int = 20,
    samples: int = 300,
    dt_s: float = 0.01,
    substeps: int = 5,
    tau_s: float = 0.1,
    gain: float = 1.5,
    coupling: float = 0.5,
    density: float = 0.2,
    absent: Collection[tuple[str, str]] = (),
    rank: int | None = None,
    process_noise: float = 0.3,
    measurement_noise: float = 0.0,
    inputs: str = "known",
    laser: Laser | None = None,
    nonlinearity: Nonlinearity = TANH,
    bias: float = 0.0,
    inhibition: float = 0.0,
    seed: int = 0,
) -> Teacher:
    """Simulate regions of units that drive one another.

    The recurrent weights J consist of blocks, one for each pair of target and source regions. N(0, s) denotes normal
    random numbers of mean 0 and variance s. Weights within a region are N(0, gain^2 / units). Between regions, the
    given share of the weights is not 0, with values N(0, 1) coupling / sqrt(density units). If ``rank`` is given, a
    block within a region is gain m n' / units with factors m and n of that rank, and a block between regions passes on
    one combination of the latents of the source. Half of the units of the second region receive a 0.7 Hz sine of random
    phase, and half of the units of the third region a step of +1 or -1 at mid-trial, whose sign is the condition; input
    weights are N(0, 1).

    Parameters
    ----------
    regions : names of the regions.
    units : number of units in every region, or one number for each region.
    trials : number of trials.
    samples : number of samples in a trial.
    dt_s : sample step, s.
    substeps : number of Euler steps per sample.
    tau_s : time constant of the units, s.
    gain : scale of the weights within a region.
    coupling : scale of the weights between regions.
    density : share of the weights between regions that are not 0.
    absent : pathways (target, source) without any weight.
    rank : rank of the blocks within a region; None for full rank.
    process_noise : scale of the process noise; each Euler step adds N(0, 1) process_noise sqrt(dt / (substeps tau)) to
        the state x.
    measurement_noise : standard deviation of the noise on the observed rates.
    inputs : ``known`` (recorded as inputs), ``hidden`` (present and not recorded) or ``none``.
    laser : a real perturbation, or None. With a laser, trials have a column ``laser`` with the values off, off, on, on,
        off, ..., and the laser acts in the trials with the value on.
    nonlinearity : function from the states of the units to their rates.
    bias : bias b of all units.
    inhibition : uniform inhibition within a region, which keeps rates without an upper limit from growing: all its
        weights are lower by inhibition / units.
    seed : seed for the weights, inputs and all noise.

    Returns
    -------
    The recording together with the network that made it.

    Raises
    ------
    ValueError : an absent pathway names an unknown region, or ``inputs`` is none of the three words.
    """
    names = list(regions)
    if inputs not in ("known", "hidden", "none"):
        raise ValueError(f"inputs: found {inputs!r}, expected known, hidden or none")
    if unknown := {name for pair in absent for name in pair} - set(names):
        raise ValueError(f"absent: found {sorted(unknown)}, expected names among {names}")
    rng = np.random.default_rng(seed)
    sizes = [units] * len(names) if isinstance(units, int) else list(units)
    region = np.repeat(names, sizes)
    J = (
        _full_weights(rng, region, names, gain, coupling, density)
        if rank is None
        else _low_rank_weights(rng, region, names, gain, coupling, rank)
    )
    J = _without_absent(_inhibited(J, region, inhibition), region, absent)
    time_s = np.arange(samples) * dt_s
    side = np.where(np.arange(trials) % 2, 1.0, -1.0)
    u = _sine_and_step(rng, time_s, side)
    B = np.zeros((len(region), 2)) if inputs == "none" else _input_weights(rng, region, names)
    b = np.full(len(region), bias)
    network = Network(J=J, B=B, b=b, tau_s=tau_s, dt_s=dt_s, substeps=substeps, nonlinearity=nonlinearity)
    x0 = rng.standard_normal((trials, len(region)))
    noise_sd = process_noise * np.sqrt(dt_s / (substeps * tau_s))
    columns = {"side": np.where(side > 0, "right", "left")}
    if laser is None:
        rates = simulate(network, x0, u, noise_sd=noise_sd, rng=rng)
    else:
        on = np.arange(trials) // 2 % 2 == 1
        rates = _perturbed_rates(network, x0, u, laser, _lit(laser, on, time_s, region), noise_sd, rng)
        columns["laser"] = np.where(on, "on", "off")
    if measurement_noise:
        rates = _with_noise(rng, rates, measurement_noise, nonlinearity)
    known = inputs == "known"
    return Teacher(
        rates=rates,
        time_s=time_s,
        region=region,
        inputs=u if known else np.zeros((trials, samples, 0)),
        input_name=["sine", "step"] if known else [],
        trials=pd.DataFrame(columns),
        network=network if known else network._replace(B=np.zeros((len(region), 0))),
        drive=np.zeros_like(rates) if known else u @ B.T,
    )


def _inhibited(J: Array, region: Array, inhibition: float) -> Array:
    """J (target, source) with weights within a region that are lower by inhibition / units."""
    same = region[:, None] == region
    return J - same * inhibition / same.sum(0)


def _without_absent(J: Array, region: Array, absent: Collection[tuple[str, str]]) -> Array:
    """J (target, source) without the weights of absent pathways (target, source)."""
    for target, source in absent:
        J = np.where((region == target)[:, None] & (region == source), 0.0, J)
    return J


def _input_weights(rng: np.random.Generator, region: Array, names: list[str]) -> Array:
    """(unit, 2) weights of the sine and the step, which reach half of the second and of the third region."""
    B = np.zeros((len(region), 2))
    for column, name in enumerate(names[1:3]):
        units_of_region = np.flatnonzero(region == name)
        half = units_of_region[: len(units_of_region) // 2]
        B[half, column] = rng.standard_normal(len(half))
    return B


def _with_noise(rng: np.random.Generator, rates: Array, sd: float, nonlinearity: Nonlinearity) -> Array:
    """Rates with measurement noise, in the range of the nonlinearity."""
    least, most = (-CLIP, CLIP) if nonlinearity.name == "tanh" else (0.0, np.inf)
    return np.clip(rates + sd * rng.standard_normal(rates.shape), least, most)


def _sine_and_step(rng: np.random.Generator, time_s: Array, side: Array) -> Array:
    """(trial, time, 2) a 0.7 Hz sine of random phase, and a step at mid-trial to ``side`` (trial,)."""
    trials, samples = len(side), len(time_s)
    u = np.zeros((trials, samples, 2))
    u[:, :, 0] = np.sin(2 * np.pi * (0.7 * time_s + rng.random((trials, 1))))
    u[:, samples // 2 :, 1] = side[:, None]
    return u


def _perturbed_rates(
    network: Network, x0: Array, u: Array, laser: Laser, lit: Array, noise_sd: float, rng: np.random.Generator
) -> Array:
    """Rates (trial, time, unit) of a run in which the laser acts where ``lit`` (trial, time, unit) is 1."""
    if laser.drive is not None:
        return simulate(network, x0, u, drive=laser.drive * lit, noise_sd=noise_sd, rng=rng)
    # Units held at a rate are units of gain 0, and a constant current to all units.
    held, shown = (-1.0, -CLIP) if network.nonlinearity.name == "tanh" else (0.0, 0.0)
    rates = simulate(network, x0, u, drive=held * lit @ network.J.T, gain=1 - lit, noise_sd=noise_sd, rng=rng)
    return np.where(lit > 0, shown, rates)


def _lit(laser: Laser, on: Array, time_s: Array, region: Array) -> Array:
    """(trial, time, unit) 1 where and when the laser acts."""
    inside = np.flatnonzero(region == laser.region)
    reached = np.isin(np.arange(len(region)), inside[: round(laser.share * len(inside))])
    when = (time_s >= laser.start_s) & (time_s < laser.stop_s)
    return (on[:, None, None] & when[:, None] & reached).astype(float)


def _full_weights(
    rng: np.random.Generator, region: Array, names: list[str], gain: float, coupling: float, density: float
) -> Array:
    """J (target, source) of full rank, see `multi_region`."""
    J = np.zeros((len(region), len(region)))
    for target in names:
        for source in names:
            block = np.ix_(region == target, region == source)
            shape, n_source = J[block].shape, int((region == source).sum())
            if target == source:
                J[block] = gain * rng.standard_normal(shape) / np.sqrt(n_source)
            else:
                mask = rng.random(shape) < density
                J[block] = coupling * mask * rng.standard_normal(shape) / np.sqrt(density * n_source)
    return J


def _low_rank_weights(
    rng: np.random.Generator, region: Array, names: list[str], gain: float, coupling: float, rank: int
) -> Array:
    """J (target, source) whose blocks are of a given rank, see `multi_region`."""
    J = np.zeros((len(region), len(region)))
    outward = {name: rng.standard_normal((int((region == name).sum()), rank)) for name in names}
    for target in names:
        for source in names:
            m, read = outward[target], outward[source]
            n_target, n_source = len(m), len(read)
            if target == source:
                # n overlaps with m, so that the latents sustain themselves.
                block = gain * m @ (m + rng.standard_normal(m.shape)).T / n_source
            else:
                block = coupling * np.outer(rng.standard_normal(n_target), read @ rng.standard_normal(rank)) / n_source
            J[np.ix_(region == target, region == source)] = block
    return J
