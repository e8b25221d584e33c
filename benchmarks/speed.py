"""Time from data to a refined network and its currents, against 70 passes of the published algorithm.

Both in one process, on one thread, on the published simulator (300 units, 1201 samples, 5 Euler steps a sample for
the published algorithm). Its passes all cost the same, so that one is measured and counted 70 times.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from threadpoolctl import threadpool_limits

from benchmarks.cases import Case, Observation, record, training_data
from benchmarks.document import insert, markdown, number
from benchmarks.published_curbd import train
from benchmarks.scoring import estimated_current, score
from curbd import teachers
from curbd.estimators.shooting import shooting
from curbd.network.fit import Fit
from curbd.settings.models import Shooting
from curbd.storage import whole_file

Array = np.ndarray
PUBLISHED_PASSES = 70
REPEATS = 3
"""The fastest of these counts, as other users of a machine only ever make a run slower."""


def seconds_published(case: Case, chosen: bool) -> float:
    """Wall time of 70 passes of the published algorithm, from that of one (see `train` for ``chosen``)."""
    activity, dt_s = case.rates[0].T, case.teacher.network.dt_s
    return PUBLISHED_PASSES * fastest(lambda: train(activity, passes=1, dt_s=dt_s, chosen=chosen))


def refined(case: Case) -> tuple[Fit, dict[tuple[str, str], Array]]:
    """The refined network, its time constant given as it is to the published one, and its currents, of every pair."""
    fit = shooting(training_data(case), Shooting(), np.random.default_rng(0))
    regions = np.unique(case.region)
    return fit, {(to, of): estimated_current(case, fit, to, of, case.rates) for to in regions for of in regions}


def fastest(run: Callable[[], object]) -> float:
    """Wall time of the fastest of a few runs, s."""
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def compare(seed: int, units: int = 100) -> dict[str, float]:
    """One row: seconds of both on the same stretch, their ratio, and what the refined network is worth."""
    teacher = teachers.published_three_region(coupling=0.2, units=units, seed=seed)
    case = record(teacher, Observation(), 1, seed)
    with threadpool_limits(1):
        published = seconds_published(case, chosen=True)
        at_once = seconds_published(case, chosen=False)
        seconds = fastest(lambda: refined(case))
        fit, _ = refined(case)
    scores = score(case, fit)
    return {
        "seed": seed,
        "samples": case.rates.shape[1],
        "published_seconds": published,
        "at_once_seconds": at_once,
        "seconds": seconds,
        "times_faster": published / seconds,
        "times_faster_than_at_once": at_once / seconds,
        "free_run": scores["free_run_train"],
        "cross_r": scores["cross_r"],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.speed")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of recovery.md and recovery/")
    parser.add_argument("--seeds", nargs="+", type=int, default=[10, 11, 12, 13], help="seeds of the simulator")
    parser.add_argument("--units", type=int, default=100, help="units a region")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    times = pd.DataFrame([compare(seed, options.units) for seed in options.seeds])
    with whole_file(options.out / "recovery" / "speed.csv") as part:
        times.to_csv(part, index=False, float_format="%.5g")
    shown = times.rename(
        columns={
            "published_seconds": "70 passes as published, s",
            "at_once_seconds": "70 passes, all weights at once, s",
            "seconds": "refined network and currents, s",
            "times_faster": "times faster than published",
            "times_faster_than_at_once": "than at once",
            "free_run": "free-run pVar",
            "cross_r": "cross r",
        }
    )
    text = shown.astype(object).map(lambda value: value if isinstance(value, int) else number(value, 4))
    insert(options.out / "recovery.md", "speed", markdown(text))


if __name__ == "__main__":
    main()
