"""Networks with known answers: recordings whose currents are known, to test what a fit recovers."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pandas as pd

from curbd.errors import UserError, did_you_mean
from curbd.network import Network, phi_inverse, simulate
from curbd.storage import whole_file

Array = np.ndarray
CLIP = 0.9999
"""Rates that were divided by their own maximum are kept this far inside (-1, 1), as atanh(1) is infinite."""


class Teacher(NamedTuple):
    """A recording and the network that made it.

    Attributes
    ----------
    rates : (trial, time, unit) phi(x) in (-1, 1).
    time_s : (time,) from the start of the trial.
    region : (unit,) labels.
    inputs : (trial, time, input) what an observer knows of the input.
    input_name : (input,) names.
    trials : one row a trial, the trial columns.
    network : the true network, for the rates as they stand here.
    drive : (trial, time, unit) external current that the observer does not know.
    """

    rates: Array
    time_s: Array
    region: Array
    inputs: Array
    input_name: list[str]
    trials: pd.DataFrame
    network: Network
    drive: Array


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
    rates = simulate(network, x0, u, noise_sd=noise_sd, rng=rng)
    if measurement_noise:
        rates = np.clip(rates + measurement_noise * rng.standard_normal(rates.shape), -CLIP, CLIP)
    known = inputs == "known"
    return Teacher(
        rates,
        time_s,
        region,
        u if known else np.zeros((trials, samples, 0)),
        ["sine", "step"] if known else [],
        pd.DataFrame({"side": np.where(side > 0, "right", "left")}),
        network if known else network._replace(B=np.zeros((len(region), 0))),
        np.zeros_like(rates) if known else u @ B.T,
    )


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


def published_three_region(*, coupling: float = 0.2, units: int = 100, seed: int = 0) -> Teacher:
    """The simulator of the CURBD publication: three chaotic regions, a bump that passes through B, a step into C.

    Perich et al., bioRxiv 2020.12.18.423348. Within-region weights are N(0, 1) times 1.8 (A) or 1.5 (B, C) over
    sqrt(units); between regions five random units receive ``coupling`` times the rate of the unit of the same number
    (0.02 in the published Python code, 0.2 in the Matlab code). One stretch of 12 s in steps of 0.01 s, tau 0.1 s, no
    noise, both external drives hidden; the observed rates of a region are divided by their maximum.
    """
    rng = np.random.default_rng(seed)
    names = ("A", "B", "C")
    region = np.repeat(names, units)
    dt_s, tau_s, n_run, n_lead = 0.01, 0.1, 1001, 200
    J = np.zeros((3 * units, 3 * units))
    for place, gain in enumerate((1.8, 1.5, 1.5)):
        inside = slice(place * units, (place + 1) * units)
        J[inside, inside] = gain * rng.standard_normal((units, units)) / np.sqrt(units)
    for target in range(3):
        for source in range(3):
            if target != source:
                chosen = rng.permutation(units)[:5]
                J[target * units + chosen, source * units + chosen] = coupling
    drive = _published_drive(units, n_run, n_lead)
    for place, sign in ((1, 1.0), (2, -1.0)):
        weights = np.zeros(units)
        weights[rng.permutation(units)[: units // 2]] = sign
        drive[:, place * units : (place + 1) * units] *= weights
    network = Network(J, np.zeros((3 * units, 0)), np.zeros(3 * units), tau_s, dt_s)
    x0 = rng.uniform(-1, 1, (1, 3 * units))
    n_samples = n_run + n_lead
    rates = simulate(network, x0, np.zeros((1, n_samples, 0)), drive=drive[None])
    largest = np.repeat([np.abs(rates[..., region == name]).max() for name in names], units)
    return Teacher(
        np.clip(rates / largest, -CLIP, CLIP),
        np.arange(n_samples) * dt_s,
        region,
        np.zeros((1, n_samples, 0)),
        [],
        pd.DataFrame(index=range(1)),
        # Observed rates are smaller by `largest`, so the weights on them are larger: J r is the same current.
        network._replace(J=J * largest),
        drive[None],
    )


def _published_drive(units: int, n_run: int, n_lead: int) -> Array:
    """(time, unit) drive of region A (none), B (the moving bump) and C (the fixed point), before the signs."""
    half = n_run // 2 + 1
    place, step = np.arange(units)[:, None], np.arange(n_run)[None]
    bump = np.exp(-((place - 20 * units / 100 - units * step / (n_run / 2)) ** 2) / (2 * (20 * units / 100) ** 2))
    bump[:, half - 100 :] = bump[:, [half - 101]]
    fixed = np.repeat(bump[:, [10]], n_run, axis=1)
    fixed[:, half + 100 :] = bump[:, [300]]
    drive = np.zeros((n_lead + n_run, 3 * units))
    for where, x in ((1, bump), (2, fixed)):
        h = np.log((x + 0.01) / (1 - x + 0.01))
        h = (h - h.min()) / (h - h.min()).max()
        drive[:, where * units : (where + 1) * units] = np.concatenate([np.repeat(h[:, :1], n_lead, 1), h], 1).T
    return drive


def demo(*, seed: int = 0) -> Teacher:
    """The recording of the demo: three regions, one absent pathway (C does not reach A), 40 trials, known inputs."""
    return multi_region(units=20, trials=40, samples=200, absent=[("A", "C")], seed=seed)


TEACHERS = {
    "demo": demo,
    "three_region": multi_region,
    "published": published_three_region,
}
"""Teachers that `curbd teacher NAME` writes."""


def named(name: str, seed: int) -> Teacher:
    """A teacher by its name.

    Raises
    ------
    UserError : there is none of that name.
    """
    if name not in TEACHERS:
        raise UserError.at(
            "curbd teacher",
            found=repr(name),
            expected=f"one of {', '.join(TEACHERS)}",
            todo=did_you_mean(name, TEACHERS),
        )
    return TEACHERS[name](seed=seed)


def write_hdf5(teacher: Teacher, path: Path | str) -> None:
    """Write the plain HDF5 layout, the true network under ``/truth``."""
    with whole_file(path) as part, h5py.File(part, "w") as file:
        file.attrs["activity"] = "model"
        file.create_dataset("rates", data=teacher.rates, compression="gzip", compression_opts=1, track_times=False)
        file["time"] = teacher.time_s
        file["region"] = [str(label) for label in teacher.region]
        file["unit_id"] = _unit_ids(teacher)
        if teacher.input_name:
            file["inputs"] = teacher.inputs
            file["input_name"] = teacher.input_name
        for column in teacher.trials:
            file[f"trial/{column}"] = teacher.trials[column].tolist()
        truth = file.create_group("truth")
        truth["J"], truth["B"], truth["b"] = teacher.network.J, teacher.network.B, teacher.network.b
        if teacher.drive.any():
            truth.create_dataset("drive", data=teacher.drive, compression="gzip", compression_opts=1, track_times=False)
        truth.attrs["tau_s"], truth.attrs["dt_s"] = teacher.network.tau_s, teacher.network.dt_s
        truth.attrs["substeps"] = teacher.network.substeps


def _unit_ids(teacher: Teacher) -> list[str]:
    counts = pd.Series(teacher.region).groupby(teacher.region).cumcount()
    return [f"{label}{count + 1}" for label, count in zip(teacher.region, counts, strict=True)]


def write_nwb(teacher: Teacher, path: Path | str, *, peak_rate_hz: float | None = None, seed: int = 0) -> None:
    """Write an NWB file: trials one after another, one second apart, with their table.

    Parameters
    ----------
    peak_rate_hz : None writes the rates exactly, as responses of regions of interest with one imaging plane a
        region; a number writes Poisson spikes of rate peak_rate_hz (1 + r) / 2, with electrodes in the regions.
    seed : of the spikes.
    """
    from pynwb import NWBHDF5IO

    from curbd.teacher_nwb import nwb_file

    with whole_file(path) as part, NWBHDF5IO(str(part), "w") as io:
        io.write(nwb_file(teacher, _unit_ids(teacher), peak_rate_hz, np.random.default_rng(seed)))


def true_current(teacher: Teacher, target: str, source: str) -> Array:
    """(trial, time, unit of target) current that the source region really sends."""
    block = teacher.network.J[np.ix_(teacher.region == target, teacher.region == source)]
    return teacher.rates[..., teacher.region == source] @ block.T


def states(teacher: Teacher) -> Array:
    """(trial, time, unit) states x behind the observed rates."""
    return phi_inverse(teacher.rates)
