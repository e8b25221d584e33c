"""Whether the weights of gated units, and how chaotic their network is, are found from states alone.

Teachers are networks of 24 gated units in two regions with strong weights (`curbd.teachers.gated`), 20 trials of 40
time constants with process noise, of which 5 are held out. The time constant is known. Lyapunov exponents are those of
the networks without noise.

The second table is about recordings, as the workflow describes them with `gates: true` (`curbd.gates`): 60 trials of 20
time constants, of which 12 are held out, with a time constant that is not known; spikes have 0 to 40 Hz, counted in
bins of 20 ms and smoothed by 100 ms.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter1d

from benchmarks import command
from benchmarks.document import insert, markdown, number
from benchmarks.rows import add, finished, rows
from curbd.dynamics.gated_field import GatedField, closed_share, slow_share
from curbd.dynamics.lyapunov import lyapunov_spectrum
from curbd.gates.gate_tables import gate_tables
from curbd.network.gated import GatedNetwork, gate_drives, gated_currents
from curbd.network.truth import correlation
from curbd.regression.gated import GatedPairs, filtered, fit_gated
from curbd.teachers.gated import GatedTeacher, gated

Array = np.ndarray
KEYS = ("seed", "gain")
GAINS = (5.0, 20.0)
HELD_OUT_TRIALS = 5
EXPONENTS = 3
BY_SELF = "gates driven by the own region, exact rates"
RECORDINGS = {
    "gates, exact rates": 5.0,
    BY_SELF: 5.0,
    "no gates, exact rates": 0.0,
    "no gates, spikes": 0.0,
    "gates, spikes": 5.0,
}
"""Recording -> gain of the gates."""
MOST_HZ, SMOOTHING_S = 40.0, 0.1
log = logging.getLogger("gates")


def measure(table: Path, seeds: Sequence[int], *, quick: bool = False, again: bool = False) -> pd.DataFrame:
    """Fits to the teachers of every seed and gain; rows that the table already holds are kept."""
    done = finished(table, KEYS, again)
    for seed in seeds:
        missing = [gain for gain in GAINS if (seed, gain) not in done]
        if missing:
            add(table, KEYS, pd.DataFrame(_fits(seed, missing, quick=quick)), list(seeds))
            log.info("seed %d", seed)
    return rows(table, KEYS)


def _fits(seed: int, gains: list[float], *, quick: bool) -> Iterator[dict[str, Any]]:
    sizes: dict[str, Any] = {"units": 8, "samples": 200} if quick else {"units": 24, "samples": 801}
    for gain in gains:
        teacher = gated(gate_gain=gain, weight_size=5.0, trials=20, noise_sd=0.02, seed=seed, **sizes)
        network, train, test = teacher.network, teacher.h[:-HELD_OUT_TRIALS], teacher.h[-HELD_OUT_TRIALS:]
        fitted = fit_gated(train, network.tau_s, network.dt_s)
        alone = fit_gated(train, network.tau_s, network.dt_s, gates=False)
        largest = {
            name: _largest(of_network, teacher)
            for name, of_network in (("true", network), ("fit", fitted), ("without", alone))
        }
        at_end = np.concatenate([teacher.h[:, -1], teacher.z[:, -1]], axis=1)
        yield {
            "seed": seed,
            "gain": gain,
            "J_r": correlation(fitted.J.ravel(), network.J.ravel()),
            "gate_r": correlation(fitted.G.ravel(), network.G.ravel()),
            "held_out_r2": _held_out_r2(fitted, test),
            "held_out_r2_without": _held_out_r2(alone, test),
            "current_r": _current_r(fitted, teacher),
            "drive_r": _drive_r(fitted, teacher),
            "slow_share": np.mean([slow_share(GatedField(network), state) for state in at_end]),
            "closed_share": np.mean([closed_share(GatedField(network), state) for state in at_end]),
        } | {f"largest_{name}": value for name, value in largest.items()}


def _largest(network: GatedNetwork, teacher: GatedTeacher) -> float:
    """Largest Lyapunov exponent times the time constant."""
    visited = np.concatenate([teacher.h[:, -1], teacher.z[:, -1]], axis=1)
    return float(lyapunov_spectrum(GatedField(network), visited, count=EXPONENTS).exponents[0] * network.tau_s)


def _held_out_r2(network: GatedNetwork, h: Array) -> float:
    """Share of the variance of the changes of the states that is predicted one sample ahead."""
    pairs = GatedPairs.of(h, network.dt_s / network.tau_s)
    change = pairs.change
    return float(1 - ((change - pairs.predicted(network)) ** 2).sum() / ((change - change.mean(0)) ** 2).sum())


def _halves(teacher: GatedTeacher) -> Array:
    return np.where(np.arange(teacher.h.shape[2]) < teacher.h.shape[2] // 2, "A", "B")


def _current_r(fitted: GatedNetwork, teacher: GatedTeacher) -> float:
    """Correlation of gated currents between the two regions, by gates of each network, with the true ones."""
    region, h = _halves(teacher), teacher.h[:-HELD_OUT_TRIALS]
    gates = gates_of(fitted, h), teacher.z[:-HELD_OUT_TRIALS]
    currents = [
        gated_currents(network, h, np.tanh(h), z, region)
        for network, z in zip((fitted, teacher.network), gates, strict=True)
    ]
    pairs = [
        correlation(*(of_network[source][..., region != source].ravel() for of_network in currents))
        for source in ("A", "B")
    ]
    return float(np.mean(pairs))


def gates_of(network: GatedNetwork, h: Array) -> Array:
    """Gates (trial, time, unit) that states h of the network bring about, half open at first."""
    return filtered(np.tanh(h), network.dt_s / network.tau_s) @ network.G.T


def _drive_r(fitted: GatedNetwork, teacher: GatedTeacher) -> float:
    """Correlation of the drives of gates between the two regions with the true ones; NaN without gates."""
    region, h = _halves(teacher), teacher.h[:-HELD_OUT_TRIALS]
    drives = [gate_drives(network, np.tanh(h), region) for network in (fitted, teacher.network)]
    pairs = [
        correlation(*(of_network[source][..., region != source].ravel() for of_network in drives))
        for source in ("A", "B")
    ]
    return float(np.mean(pairs))


def measure_recordings(table: Path, seeds: Sequence[int], *, quick: bool, again: bool) -> pd.DataFrame:
    """Units whose gates are said to move, in recordings of every seed; rows that the table already holds are kept."""
    done = finished(table, ("seed", "recording"), again)
    for seed in seeds:
        missing = [name for name in RECORDINGS if (seed, name) not in done]
        if missing:
            new = pd.DataFrame([_in_recording(seed, name, quick=quick) for name in missing])
            add(table, ("seed", "recording"), new, list(seeds))
            log.info("recordings, seed %d", seed)
    return rows(table, ("seed", "recording"))


def _in_recording(seed: int, name: str, *, quick: bool) -> dict[str, Any]:
    with_spikes, gain = "spikes" in name, RECORDINGS[name]
    sizes: dict[str, Any] = {"units": 6, "trials": 20} if quick else {"units": 10, "trials": 60}
    step, samples = (0.2, 101) if with_spikes else (0.05, 401)
    half = np.arange(sizes["units"]) < sizes["units"] // 2
    driving = half[:, None] == half if name == BY_SELF else None
    teacher = gated(
        gate_gain=gain,
        weight_size=5.0,
        noise_sd=0.1,
        driving=driving,
        seed=seed,
        step=step,
        samples=samples,
        **sizes,
    )
    r, dt_s, scale = np.tanh(teacher.h), teacher.network.dt_s, np.ones(sizes["units"])
    if with_spikes:
        counts = np.random.default_rng(seed).poisson(MOST_HZ * (1 + r) / 2 * dt_s)
        r = gaussian_filter1d(counts / dt_s, SMOOTHING_S / dt_s, axis=1)
        scale = r.max((0, 1))
    n_trials = len(r)
    recording = xr.Dataset(
        {
            "rates": (("trial", "time", "unit"), r),
            "inputs": (("trial", "time", "input"), np.zeros((*r.shape[:2], 0))),
        },
        {
            "unit_id": ("unit", np.arange(r.shape[2]).astype(str)),
            "region": ("unit", _halves(teacher)),
            "condition": ("trial", ["all"] * n_trials),
            "split": ("trial", np.where(np.arange(n_trials) < 0.8 * n_trials, "train", "test")),
            "scale": ("unit", scale),
        },
        {"recording": name, "dt_s": dt_s, "activity": "spikes" if with_spikes else "model"},
    )
    gates, currents = gate_tables(recording)
    tested = currents[currents["drive_q_value"].notna()]
    within = tested["target"] == tested["source"]
    true = np.full(len(tested), gain > 0) & (within | (name != BY_SELF))
    found = tested["drive_verdict"] == "supported"
    return {
        "seed": seed,
        "recording": name,
        "n_units": len(gates),
        "n_supported": int((gates["verdict"] == "supported").sum()),
        "least_nats": gates["held_out_nats"].min(),
        "most_nats": gates["held_out_nats"].max(),
        "tau_s": gates["tau_s"].iloc[0],
        "n_drives": int(true.sum()),
        "n_drives_found": int((found & true).sum()),
        "n_no_drives": int((~true).sum()),
        "n_no_drives_found": int((found & ~true).sum()),
    }


def summary_of_recordings(table: pd.DataFrame) -> str:
    """Units whose gates are said to move, as a Markdown table."""
    lines = [
        {
            "recording": name,
            "gates said to move": f"{of_name['n_supported'].sum()} of {of_name['n_units'].sum()} units",
            "held-out nats per unit, least to most": f"{number(of_name['least_nats'].min(), 0)} to "
            f"{number(of_name['most_nats'].max(), 0)}",
            "time constant in s (true: 0.1)": f"{number(of_name['tau_s'].min(), 2)} to "
            f"{number(of_name['tau_s'].max(), 2)}",
            "drives found": _counted(of_name, "n_drives"),
            "drives found where none is": _counted(of_name, "n_no_drives"),
        }
        for name, of_name in table.groupby("recording", sort=False)
    ]
    return markdown(pd.DataFrame(lines))


def _counted(of_name: pd.DataFrame, column: str) -> str:
    n = of_name[column].sum()
    return f"{of_name[f'{column}_found'].sum()} of {n}" if n else "-"


def summary(table: pd.DataFrame) -> str:
    """Means over seeds, and the worst seeds, as a Markdown table."""
    lines = []
    for gain, of_gain in table.groupby("gain", sort=True):
        errors = {name: (of_gain[f"largest_{name}"] - of_gain["largest_true"]).abs() for name in ("fit", "without")}
        lines.append(
            {
                "gain of the gates": f"{gain:g}",
                "largest exponent times tau, true": number(of_gain["largest_true"].mean(), 3),
                "error, mean (worst)": f"{number(errors['fit'].mean(), 3)} ({number(errors['fit'].max(), 3)})",
                "error without gates": f"{number(errors['without'].mean(), 3)} ({number(errors['without'].max(), 3)})",
                "r of J": number(of_gain["J_r"].mean(), 3),
                "r of gate weights": number(of_gain["gate_r"].mean(), 3),
                "r of gated currents": number(of_gain["current_r"].mean(), 3),
                "r of gate drives": number(of_gain["drive_r"].mean(), 3),
                "held-out R2 with, without": f"{number(of_gain['held_out_r2'].mean(), 3)}, "
                f"{number(of_gain['held_out_r2_without'].mean(), 3)}",
                "slow eigenvalues, closed gates": f"{number(of_gain['slow_share'].mean(), 3)}, "
                f"{number(of_gain['closed_share'].mean(), 3)}",
            }
        )
    return markdown(pd.DataFrame(lines))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure what is missing, then write the table."""
    parser = command.parser("unit_models_gates", __doc__, "units.md and gates.csv", seeds=range(5), quick=True)
    options = parser.parse_args(arguments)
    out = command.folder(options)
    with command.measuring():
        table = measure(out / "gates.csv", options.seeds, quick=options.quick, again=options.again)
        of_recordings = measure_recordings(
            out / "gate_recordings.csv", options.seeds, quick=options.quick, again=options.again
        )
    insert(out / "units.md", "gates", summary(table))
    insert(out / "units.md", "gate_recordings", summary_of_recordings(of_recordings))


if __name__ == "__main__":
    main()
