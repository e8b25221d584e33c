"""Verdicts in parts of the trial: teachers in which two of four pathways act in the second half of the trial only.

``python -m benchmarks.population_windows`` writes ``docs/populations/windows.csv`` and continues where it stopped.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd

from curbd.teachers.populations import populations
from lrfit.population_network.fit import converge, start
from lrfit.population_network.recording import from_arrays, split
from lrfit.population_network.verdict import Verdict, verdict
from lrfit.population_network.window_verdict import window_verdict

OUT = Path("docs/populations/windows.csv")
SEEDS = range(30, 40)
BINS = 100
PATHWAYS = {"late": [(1, 0), (2, 1)], "present": [(2, 0), (0, 2)], "absent": [(0, 1), (1, 2)]}
"""Kind of a pathway -> pathways (target, source): from the middle of the trial on, throughout, never."""


def rows_of(seed: int) -> list[dict[str, object]]:
    """Judge all pathways of one teacher in the whole trial and in either half.

    Parameters
    ----------
    seed : seed of the teacher.
    """
    teacher = populations(absent=PATHWAYS["absent"], late=PATHWAYS["late"], bins=BINS, seed=seed)
    data = from_arrays(teacher.activity, teacher.region, teacher.bin_s, teacher.inputs, teacher.condition)
    training, held_out = split(data, None)
    fit = converge(start(training, [2, 2, 2], teacher.tau_s), training)
    rows = []

    def add(window: str, judged: Verdict, seconds: float) -> None:
        for kind, pathways in PATHWAYS.items():
            for target, source in pathways:
                at = (target, source)
                rows.append(
                    {
                        "seed": seed,
                        "window": window,
                        "pathway": kind,
                        "target": target,
                        "source": source,
                        "nats": judged.evidence.nats[at],
                        "p_value": judged.evidence.tests.p_value[at],
                        "share": judged.evidence.share[at],
                        "resolved": bool(judged.resolved[at]),
                        "cpu_s": seconds,
                    }
                )

    began = time.process_time()
    whole = verdict(fit, training, held_out, 0.0)
    add("whole", whole, time.process_time() - began)
    for window, bins in (("first half", np.arange(BINS // 2)), ("second half", np.arange(BINS // 2, BINS))):
        began = time.process_time()
        judged = window_verdict(fit.model, training, held_out, bins, 0.0)[1]
        add(window, judged, time.process_time() - began)
    return rows


def main() -> None:
    """Measure all teachers that the file lacks, and print the means."""
    done = pd.read_csv(OUT) if OUT.is_file() else pd.DataFrame({"seed": []}, dtype=int)
    for seed in SEEDS:
        if seed not in set(done["seed"]):
            done = pd.concat([done, pd.DataFrame(rows_of(seed))], ignore_index=True)
            done.to_csv(OUT, index=False, float_format="%.4g")
    done["significant"] = done["p_value"] < 0.05
    columns = {"nats": "median", "share": "median", "significant": "mean", "resolved": "sum", "cpu_s": "mean"}
    print(done.groupby(["pathway", "window"]).agg(columns).round(3).to_string())


if __name__ == "__main__":
    main()
