"""Whether frequency, damping and coupling of oscillators are found behind noisy fields.

Teachers are the coupled oscillators of `curbd.teachers`, sampled at 250 Hz in 40 trials of 10 s. The noise on the
fields has a tenth of their variance (signal-to-noise ratio 10), or there is none.
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
from curbd.network.oscillators import forces_by_source
from curbd.network.truth import correlation
from curbd.oscillators.fitting import fit_oscillators
from curbd.teachers import coupled_oscillators

KEYS = ("seed", "noise")
NOISES = {"none": 0.0, "signal-to-noise ratio 10": 0.1}
"""Name -> variance of the noise, as a share of the variance of the field."""
log = logging.getLogger("oscillators")


def measure(table: Path, seeds: Sequence[int], *, quick: bool = False, again: bool = False) -> pd.DataFrame:
    """Fits to the teachers of every seed; rows that the table already holds are kept."""
    done = finished(table, KEYS, again)
    for seed in seeds:
        if any((seed, name) not in done for name in NOISES):
            add(table, KEYS, pd.DataFrame(_fits(seed, quick=quick)), list(seeds))
            log.info("seed %d", seed)
    return rows(table, KEYS)


def _fits(seed: int, *, quick: bool) -> Iterator[dict[str, Any]]:
    for name, share in NOISES.items():
        teacher = coupled_oscillators(trials=5 if quick else 40, samples=2500, noise_share=share, seed=seed)
        true, region = teacher.oscillators, teacher.region
        u = np.zeros((*teacher.fields.shape[:2], 0))
        fitted = fit_oscillators(teacher.fields, u, true.dt_s)
        y = np.diff(teacher.true_fields, axis=1) / true.dt_s
        forces = [forces_by_source(oscillators, y, u[:, 1:], region) for oscillators in (fitted, true)]
        between = [
            correlation(*(force[source][..., region == target].ravel() for force in forces))
            for source in np.unique(region)
            for target in np.unique(region)
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
