"""Regions of tanh units that drive one another."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pandas as pd

from curbd.network.equation import Network, simulate
from curbd.teachers.teacher import CLIP, Teacher

Array = np.ndarray


class Laser(NamedTuple):
    """What happens to part of a network in the trials whose column ``laser`` is ``on``.

    Attributes
    ----------
    region : region that it reaches.
    start_s, stop_s : when, from the start of the trial.
    drive : current that it adds, or None where it silences: r = -1, no rate at all, whatever the state is.
    share : share of the region's units that it reaches, the first ones.
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
    seed: int = 0,
) -> Teacher:
    """Regions of tanh units that drive one another.

    Blocks within a region are N(0, gain^2 / units); blocks between regions have the given density and entries
    N(0, 1) coupling / sqrt(density units). With ``rank``, a block within a region is gain m n' / units of that rank,
    and one between regions passes a single combination of the source's latents on. The second region receives a 0.7 Hz
    sine of random phase on half of its units, the third a step of +-1 at mid-trial, by condition, on half of its
    units, with weights N(0, 1).

    Parameters
    ----------
    units : units a region, one number or one for each.
    absent : pathways (target, source) without any weight.
    process_noise : each Euler step adds N(0, 1) process_noise sqrt(dt / (substeps tau)) to x.
    measurement_noise : standard deviation of the noise on the observed rates.
    inputs : ``known`` (written as inputs), ``hidden`` (present, not written) or ``none``.
    laser : with one, the trial column ``laser`` is off, off, on, on, off, ..., and where it is on the laser acts.

    Raises
    ------
    ValueError : an absent pathway names no region, or ``inputs`` is none of the three words.
    """
    names = list(regions)
    if inputs not in ("known", "hidden", "none"):
        raise ValueError(f"inputs: found {inputs!r}, expected known, hidden or none")
    if unknown := {name for pair in absent for name in pair} - set(names):
        raise ValueError(f"absent: found {sorted(unknown)}, expected names among {names}")
    rng = np.random.default_rng(seed)
    sizes = [units] * len(names) if isinstance(units, int) else list(units)
    region = np.repeat(names, sizes)
    if rank is None:
        J = _full_weights(rng, region, names, gain, coupling, density)
    else:
        J = _low_rank_weights(rng, region, names, gain, coupling, rank)
    for target, source in absent:
        J[np.ix_(region == target, region == source)] = 0
    time_s = np.arange(samples) * dt_s
    side = np.where(np.arange(trials) % 2, 1.0, -1.0)
    u = np.zeros((trials, samples, 2))
    u[:, :, 0] = np.sin(2 * np.pi * (0.7 * time_s + rng.random((trials, 1))))
    u[:, samples // 2 :, 1] = side[:, None]
    B = np.zeros((len(region), 2))
    for column, place in enumerate((1, 2)):
        if inputs != "none" and place < len(names):
            half = np.flatnonzero(region == names[place])[: sizes[place] // 2]
            B[half, column] = rng.standard_normal(len(half))
    network = Network(J, B, np.zeros(len(region)), tau_s, dt_s, substeps)
    x0 = rng.standard_normal((trials, len(region)))
    noise_sd = process_noise * np.sqrt(dt_s / (substeps * tau_s))
    on = np.arange(trials) // 2 % 2 == 1
    if laser is None:
        rates = simulate(network, x0, u, noise_sd=noise_sd, rng=rng)
    else:
        lit = _lit(laser, on, time_s, region)
        if laser.drive is None:
            # Rates held at -1 are no rates of the units' own and a constant current to all others.
            silent = simulate(network, x0, u, drive=-lit @ J.T, gain=1 - lit, noise_sd=noise_sd, rng=rng)
            rates = np.where(lit > 0, -CLIP, silent)
        else:
            rates = simulate(network, x0, u, drive=laser.drive * lit, noise_sd=noise_sd, rng=rng)
    if measurement_noise:
        rates = np.clip(rates + measurement_noise * rng.standard_normal(rates.shape), -CLIP, CLIP)
    known = inputs == "known"
    columns = {"side": np.where(side > 0, "right", "left")}
    if laser is not None:
        columns["laser"] = np.where(on, "on", "off")
    return Teacher(
        rates,
        time_s,
        region,
        u if known else np.zeros((trials, samples, 0)),
        ["sine", "step"] if known else [],
        pd.DataFrame(columns),
        network if known else network._replace(B=np.zeros((len(region), 0))),
        np.zeros_like(rates) if known else u @ B.T,
    )


def _lit(laser: Laser, on: Array, time_s: Array, region: Array) -> Array:
    """(trial, time, unit) 1 where and when the laser acts."""
    inside = np.flatnonzero(region == laser.region)
    reached = np.isin(np.arange(len(region)), inside[: round(laser.share * len(inside))])
    when = (time_s >= laser.start_s) & (time_s < laser.stop_s)
    return (on[:, None, None] & when[:, None] & reached).astype(float)


def _full_weights(
    rng: np.random.Generator, region: Array, names: list[str], gain: float, coupling: float, density: float
) -> Array:
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
