"""Time of one training pass of the estimator `force`, against the published algorithm in plain NumPy.

Both make one pass over the published simulator (300 units, 1201 samples), in one process, in turns. Processor time
counts, so that other users of a machine matter little; that of several seeds is divided by the number of threads. The
published algorithm is written in two ways, see `benchmarks.published_curbd`: as published, where the weights that learn
are selected at every sample, and with all weights at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks import command
from benchmarks.cases import Case, Observation, record, training_data
from benchmarks.document import insert, markdown, number
from benchmarks.published_curbd import train
from curbd import teachers
from curbd.estimators.fitting import fit_side_by_side
from curbd.estimators.force import force
from curbd.settings.estimators import Force
from curbd.storage.whole_files import whole_file

ROUNDS = 5
"""Rounds in which every way runs once; the median over rounds counts."""
THREADS = 2
N_SEEDS = 8
COLUMNS = {
    "substeps": "Euler steps in a sample",
    "precision": "precision",
    "seconds": "one pass, CPU seconds",
    "times_published": "times faster than as published",
    "times_at_once": "than all weights at once",
    "times_published_seeds": f"{N_SEEDS} seeds on {THREADS} threads: than as published",
    "times_at_once_seeds": f"{N_SEEDS} seeds on {THREADS} threads: than all weights at once",
}
"""Column of force.csv -> its heading in the documentation."""


def median_seconds(ways: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Processor time, s, of several ways to compute something, which take turns; the first turn is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS + 1):
        for name, run in ways.items():
            started = time.process_time()
            run()
            seconds[name].append(time.process_time() - started)
    return {name: float(np.median(of_rounds[1:])) for name, of_rounds in seconds.items()}


def compare(case: Case, substeps: int, precision: str) -> dict[str, object]:
    """One row: the time of a pass, and how many times as long the published algorithm takes.

    Parameters
    ----------
    case : the recording.
    substeps : Euler steps in a sample, of all ways alike.
    precision : option of the estimator.
    """
    activity, dt_s = case.rates[0].T, case.teacher.network.dt_s
    data = training_data(case)._replace(substeps=substeps)
    options = Force.model_validate({"passes": 1, "precision": precision})

    def one_seed(seed: int) -> object:
        return force(data, options, np.random.default_rng(seed))

    with threadpool_limits(1):
        seconds = median_seconds(
            {
                "published": lambda: train(activity, passes=1, dt_s=dt_s, chosen=True, substeps=substeps),
                "at_once": lambda: train(activity, passes=1, dt_s=dt_s, chosen=False, substeps=substeps),
                "one": lambda: one_seed(0),
                "seeds": lambda: fit_side_by_side(one_seed, N_SEEDS, THREADS),
            }
        )
    return {
        "substeps": substeps,
        "precision": precision,
        "seconds": seconds["one"],
        "times_published": seconds["published"] / seconds["one"],
        "times_at_once": seconds["at_once"] / seconds["one"],
        "times_published_seeds": N_SEEDS * THREADS * seconds["published"] / seconds["seeds"],
        "times_at_once_seeds": N_SEEDS * THREADS * seconds["at_once"] / seconds["seeds"],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure and write the table."""
    parser = command.parser("force", __doc__, "scale.md and scale/", again=False)
    parser.add_argument("--units", type=int, default=100, help="units of each region")
    options = parser.parse_args(arguments)
    out = command.folder(options)
    teacher = teachers.published_three_region(coupling=0.2, units=options.units, seed=10)
    case = record(teacher, Observation(), 1, 10)
    with command.measuring():
        times = pd.DataFrame([compare(case, *way) for way in product((1, 5), ("double", "single"))])
    (out / "scale").mkdir(parents=True, exist_ok=True)
    with whole_file(out / "scale" / "force.csv") as temporary:
        times.to_csv(temporary, index=False, float_format="%.5g")
    shown = times.rename(columns=COLUMNS).astype(object)
    insert(
        out / "scale.md",
        "force",
        markdown(shown.map(lambda value: number(value, 3) if isinstance(value, float) else value)),
    )


if __name__ == "__main__":
    main()
