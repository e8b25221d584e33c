"""Whether frequency, damping and coupling of oscillators are found behind noisy fields.

Teachers are nine oscillators of 6 to 20 Hz in three regions, coupled through a saturating force, driven by noise, and
sampled at 250 Hz in 40 trials of 10 s. The noise on the fields has a tenth of their variance (signal-to-noise ratio
10), or none.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import command
from benchmarks.document import insert, markdown, number
from benchmarks.rows import add, finished, rows
from curbd.network.truth import correlation
from curbd.oscillators.equation import Oscillators, forces_by_source, simulate
from curbd.oscillators.fitting import fit_oscillators

Array = np.ndarray
KEYS = ("seed", "noise")
NOISES = {"none": 0.0, "signal-to-noise ratio 10": 0.1}
"""Name -> variance of the noise, as a share of the variance of the field."""
DT_S = 0.004
REGION = np.repeat(["A", "B", "C"], 3)
log = logging.getLogger("oscillators")


def measure(table: Path, seeds: Sequence[int], *, quick: bool = False, again: bool = False) -> pd.DataFrame:
    """Fits to the teachers of every seed; rows that the table already holds are kept."""
    done = finished(table, KEYS, again)
    for seed in seeds:
        if any((seed, name) not in done for name in NOISES):
            add(table, KEYS, pd.DataFrame(_fits(seed, quick=quick)), list(seeds))
            log.info("seed %d", seed)
    return rows(table, KEYS)


def teacher(seed: int, *, quick: bool = False) -> tuple[Oscillators, Array]:
    """Coupled oscillators, and their fields (trial, time, channel) after the first second."""
    rng = np.random.default_rng(seed)
    n = len(REGION)
    K = 2.0 * rng.standard_normal((n, n)) * ~np.eye(n, dtype=bool)
    oscillators = Oscillators(
        omega=2 * np.pi * rng.uniform(6, 20, n),
        gamma=rng.uniform(1.5, 4, n),
        K=K,
        B=np.zeros((n, 0)),
        b=np.zeros(n),
        saturation=200.0,
        dt_s=DT_S,
    )
    x = simulate(oscillators, np.zeros((5 if quick else 40, 2750, 0)), noise_sd=1.0, rng=rng)
    return oscillators, x[:, 250:]


def _fits(seed: int, *, quick: bool) -> Iterator[dict[str, Any]]:
    true, x = teacher(seed, quick=quick)
    u = np.zeros((*x.shape[:2], 0))
    rng = np.random.default_rng([seed, 1])
    for name, share in NOISES.items():
        fitted = fit_oscillators(x + np.sqrt(share) * x.std((0, 1)) * rng.standard_normal(x.shape), u, DT_S)
        y = np.diff(x, axis=1) / DT_S
        forces = [forces_by_source(oscillators, y, u[:, 1:], REGION) for oscillators in (fitted, true)]
        between = [
            correlation(*(force[source][..., target == REGION].ravel() for force in forces))
            for source in np.unique(REGION)
            for target in np.unique(REGION)
            if source != target
        ]
        omega_error, gamma_error = (np.abs(getattr(fitted, key) / getattr(true, key) - 1) for key in ("omega", "gamma"))
        yield {
            "seed": seed,
            "noise": name,
            "omega_error": omega_error.mean(),
            "omega_within": (omega_error <= 0.02).mean(),
            "gamma_error": gamma_error.mean(),
            "gamma_within": (gamma_error <= 0.1).mean(),
            "force_r": float(np.mean(between)),
        }


def summary(table: pd.DataFrame) -> str:
    """Means over seeds as a Markdown table."""
    lines = [
        {
            "noise": str(name),
            "error of omega": f"{100 * of_noise['omega_error'].mean():.2f} %",
            "channels within 2 %": number(of_noise["omega_within"].mean(), 2),
            "error of gamma": f"{100 * of_noise['gamma_error'].mean():.1f} %",
            "channels within 10 %": number(of_noise["gamma_within"].mean(), 2),
            "r of forces between regions, mean (worst)": f"{number(of_noise['force_r'].mean(), 3)} "
            f"({number(of_noise['force_r'].min(), 3)})",
        }
        for name, of_noise in table.groupby("noise", sort=False)
    ]
    return markdown(pd.DataFrame(lines))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure what is missing, then write the table."""
    parser = command.parser(
        "unit_models_oscillators", __doc__, "units.md and oscillators.csv", seeds=range(10), quick=True
    )
    options = parser.parse_args(arguments)
    out = command.folder(options)
    with command.measuring():
        table = measure(out / "oscillators.csv", options.seeds, quick=options.quick, again=options.again)
    insert(out / "units.md", "oscillators", summary(table))


if __name__ == "__main__":
    main()
