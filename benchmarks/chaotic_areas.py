"""Currents between areas of chaotic units, whose activity a few latents cannot follow.

``python -m benchmarks.chaotic_areas`` writes ``docs/populations/chaotic_areas.csv`` and continues where it stopped.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.populations import pathway_scores
from curbd.teachers.chaotic_areas import chaotic_areas
from lrfit.population_network.analysis import analyse
from lrfit.population_network.fit_settings import PopulationSettings
from lrfit.population_network.recording import from_arrays

OUT = Path("docs/populations/chaotic_areas.csv")
SEEDS = (0, 1)
TRIALS, BINS = 100, 200
"""Half of the published numbers, and a quarter of the data."""


def rows_of(seed: int) -> pd.DataFrame:
    """Analyse one teacher, and score every pathway.

    Parameters
    ----------
    seed : seed of the teacher.
    """
    teacher = chaotic_areas(trials=TRIALS, bins=BINS, seed=seed)
    data = from_arrays(teacher.activity, teacher.region, teacher.bin_s, condition=teacher.condition)
    began = time.process_time()
    result = analyse(data, settings=PopulationSettings(tau_s=teacher.tau_s))
    seconds = time.process_time() - began
    evidence = result.verdict.evidence
    shares = {name: [getattr(evidence, name)[t, s] for s in range(5) for t in range(5)] for name in ("nats", "share")}
    expected = [evidence.expected_r2[t, s] for s in range(5) for t in range(5)]
    true_share = [true_shares(teacher.current, teacher.region)[t, s] for s in range(5) for t in range(5)]
    return pathway_scores(teacher, result, data).assign(
        seed=seed,
        **shares,
        expected_r2=expected,
        true_share=true_share,
        latents=" ".join(map(str, result.dimensions.number)),
        drives=int(result.fit.model.group.max()) + 1 - 5,
        curvature=result.fit.model.curvature.max(),
        cpu_s=seconds,
    )


def true_shares(current: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Compute the (target, source) root mean square of every true current, relative to the sum of all currents.

    Parameters
    ----------
    current : (source, trial, time, unit) true currents.
    region : (unit,) index of the region of every unit.
    """
    off = current - current.mean((1, 2), keepdims=True)
    power, total = (off**2).mean((1, 2)), (off.sum(0) ** 2).mean((0, 1))
    targets = range(int(region.max()) + 1)
    return np.sqrt([power[:, region == t].mean(1) / total[region == t].mean() for t in targets])


def main() -> None:
    """Measure all teachers that the file lacks, and print the means."""
    done = pd.read_csv(OUT) if OUT.is_file() else pd.DataFrame({"seed": []}, dtype=int)
    for seed in SEEDS:
        if seed not in set(done["seed"]):
            done = pd.concat([done, rows_of(seed)], ignore_index=True)
            done.drop(columns="silencing_r").to_csv(OUT, index=False, float_format="%.4g")
    within = done["target"] == done["source"]
    columns = ["r", "coverage", "share", "true_share", "expected_r2", "nats", "resolved"]
    print(done.groupby(["seed", within])[columns].mean().round(3).to_string())
    print(done.groupby("seed")[["latents", "drives", "curvature", "cpu_s"]].first().to_string())


if __name__ == "__main__":
    main()
