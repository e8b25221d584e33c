"""Time from data to a refined network and its currents, against 70 passes of the published algorithm.

Both run in one process, on one thread, on the published simulator: 300 units, 1201 samples, and 5 Euler steps a sample
for the published algorithm. All passes of that algorithm take the same time: one pass is measured and counted 70 times.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks import command
from benchmarks.cases import Case, Observation, record, training_data
from benchmarks.document import insert, markdown, number
from benchmarks.published_curbd import train
from benchmarks.scoring import estimated_current, score
from curbd import teachers
from curbd.estimators.shooting import shooting
from curbd.network.fit import Fit
from curbd.settings.estimators import Shooting
from curbd.storage.whole_files import whole_file

Array = np.ndarray
PUBLISHED_PASSES = 70
REPEATS = 3
"""The fastest of these runs counts: other users of a machine only make a run slower."""
COLUMNS = {
    "published_seconds": "70 passes as published, s",
    "at_once_seconds": "70 passes, all weights at once, s",
    "seconds": "refined network and currents, s",
    "times_faster": "times faster than published",
    "times_faster_than_at_once": "than at once",
    "free_run": "free-run pVar",
    "cross_r": "cross r",
}
"""Column of speed.csv -> its heading in the documentation."""


def seconds_published(case: Case, chosen: bool) -> float:
    """Wall time, s, of 70 passes of the published algorithm, 70 times that of one pass.

    Parameters
    ----------
    case : the recording.
    chosen : how weights are updated, see `benchmarks.published_curbd.train`.
    """
    activity, dt_s = case.rates[0].T, case.teacher.network.dt_s
    return PUBLISHED_PASSES * fastest(lambda: train(activity, passes=1, dt_s=dt_s, chosen=chosen))


def refined(case: Case) -> tuple[Fit, dict[tuple[str, str], Array]]:
    """The refined network, and the current of every (target, source) at the recorded rates.

    The time constant is given, as it is to the published algorithm.
    """
    fit = shooting(training_data(case), Shooting(), np.random.default_rng(0))
    regions = np.unique(case.region)
    return fit, {
        (target, source): estimated_current(case, fit, target, source, case.rates)
        for target in regions
        for source in regions
    }


def fastest(run: Callable[[], object]) -> float:
    """Wall time of the fastest of a few runs of a function, s."""
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def compare(seed: int, units: int = 100) -> dict[str, float]:
    """One row: seconds of both algorithms on one recording, their ratio, and scores of the refined network.

    Parameters
    ----------
    seed : of the simulator.
    units : units of each region.
    """
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
    parser = command.parser("speed", __doc__, "recovery.md and recovery/", seeds=range(10, 14), again=False)
    parser.add_argument("--units", type=int, default=100, help="units of each region")
    options = parser.parse_args(arguments)
    out = command.folder(options)
    with command.measuring():
        times = pd.DataFrame([compare(seed, options.units) for seed in options.seeds])
    with whole_file(out / "recovery" / "speed.csv") as temporary:
        times.to_csv(temporary, index=False, float_format="%.5g")
    shown = times.rename(columns=COLUMNS)
    text = shown.astype(object).map(lambda value: value if isinstance(value, int) else number(value, 4))
    insert(out / "recovery.md", "speed", markdown(text))


if __name__ == "__main__":
    main()
