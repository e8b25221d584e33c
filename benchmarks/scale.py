"""Time and peak memory of every step of the workflow, from small recordings to large ones.

All steps run in one process on one thread, and processor time counts, so that other users of a machine matter little.
The time of a step is divided by that of the fit, by that of ridge regression of scikit-learn on the same transitions
(the same folds and penalties, one penalty for all blocks and no intervals), and by that of one pass of second moments,
the matrix product that no step on these data can avoid.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

import curbd
from benchmarks import command, rows
from benchmarks.document import insert, markdown, number
from curbd import teachers
from curbd.estimators.fitting import fit
from curbd.inactivation import run_experiments
from curbd.network.view import view
from curbd.pathways.currents import current_table
from curbd.pathways.judge import judge
from curbd.pathways.judged_fits import JudgedFits
from curbd.pathways.null_table import null_table
from curbd.regression.moments import moments
from curbd.regression.ridge import PENALTY_GRID
from curbd.settings.estimators import OneStep
from curbd.settings.experiments import Inactivation
from curbd.settings.models import Model

Array = np.ndarray
KEYS = ("units", "regions", "samples", "step")
"""Columns that identify a row of scale.csv."""
TAU_S = 0.1
"""Time constant of the teachers, which the fits are given."""
COLUMNS = {
    "units": "units",
    "regions": "regions",
    "samples": "samples",
    "step": "step",
    "seconds": "CPU seconds",
    "over_fit": "over the fit",
    "over_ridge": "over Ridge of scikit-learn",
    "over_floor": "over one pass of moments",
    "peak_gb": "peak memory so far, GB",
}
"""Column of scale.csv -> its heading in the documentation."""


class Size(NamedTuple):
    """Size of a recording."""

    units: int
    regions: int
    trials: int
    bins: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read a size such as 300x6x100x200: units, regions, trials, bins of a trial."""
        units, regions, trials, bins = (int(part) for part in text.split("x"))
        return cls(units, regions, trials, bins)


SIZES = (Size(100, 4, 50, 200), Size(300, 6, 100, 200), Size(600, 8, 100, 200))
SMOKE_SIZE = Size(18, 3, 12, 30)


def written(size: Size, seed: int, path: Path | str) -> None:
    """Write the recording of a teacher of some size."""
    names = [f"R{index:02d}" for index in range(size.regions)]
    teacher = teachers.multi_region(
        regions=names,
        units=size.units // size.regions,
        trials=size.trials,
        samples=size.bins,
        substeps=1,
        tau_s=TAU_S,
        seed=seed,
    )
    teachers.write_hdf5(teacher, path)


def recorded(size: Size, seed: int) -> xr.Dataset:
    """The recording of a teacher of some size."""
    with tempfile.TemporaryDirectory() as folder:
        written(size, seed, Path(folder) / "teacher.h5")
        return curbd.ingest_file(Path(folder) / "teacher.h5").recording


def ridge_of_scikit_learn(z: Array, y: Array, fold: Array) -> Array:
    """Choose one penalty by held-out error over folds, and fit all transitions with it; returns the weights.

    Parameters
    ----------
    z, y : (transition, regressor) regressors and (transition, unit) currents.
    fold : (transition,) index of the fold.
    """
    error = np.zeros(len(PENALTY_GRID))
    for held_out in (fold == index for index in np.unique(fold)):
        for index, penalty in enumerate(PENALTY_GRID):
            fitted = Ridge(alpha=penalty, solver="cholesky").fit(z[~held_out], y[~held_out])
            error[index] += ((fitted.predict(z[held_out]) - y[held_out]) ** 2).sum()
    return np.asarray(Ridge(alpha=PENALTY_GRID[error.argmin()], solver="cholesky").fit(z, y).coef_)


def verdict_and_nulls(recording: xr.Dataset, networks: xr.Dataset) -> None:
    """Judge the pathways and compare them with the further nulls, as `curbd currents` does."""
    judged = JudgedFits(recording, networks)
    judge(recording, networks, judged=judged)
    null_table(recording, networks, judged=judged)


def measure(size: Size, seed: int, repeats: int, chosen: Sequence[str]) -> pd.DataFrame:
    """One row per step: median processor seconds, ratios, and the peak memory of the process after the step.

    Parameters
    ----------
    size : size of the recording.
    seed : of the teacher.
    repeats : number of times that everything runs.
    chosen : names of the steps beside the fit; none for all. Ratios to a step that was not chosen are NaN.
    """
    recording = recorded(size, seed)
    model = Model(family="full_rank", estimator="one_step", seeds=[0], tau_s=TAU_S)
    networks = fit(recording, model).networks
    seen = view(recording, networks)
    y = seen.y
    complete = np.isfinite(y).all(2) & seen.train[:, None]
    z, y = seen.z[:, :-1][complete], y[complete]
    fold = np.nonzero(complete)[0] % OneStep().folds
    silence = {"silence": Inactivation(kind="region", region=seen.regions[0])}
    steps: dict[str, Callable[[], object]] = {
        "one pass of moments": lambda: moments(z, y),
        "Ridge of scikit-learn": lambda: ridge_of_scikit_learn(z, y, fold),
        "fit": lambda: fit(recording, model),
        "currents": lambda: current_table(recording, networks),
        "verdict": lambda: judge(recording, networks),
        "verdict and further nulls": lambda: verdict_and_nulls(recording, networks),
        "inactivate": lambda: run_experiments(recording, networks, silence),
    }
    steps = {step: run for step, run in steps.items() if not chosen or step in ("fit", *chosen)}
    taken: dict[str, list[float]] = {step: [] for step in steps}
    peak_gb = dict.fromkeys(steps, 0.0)
    for repeat in range(repeats):
        for step, run in steps.items():
            started = time.process_time()
            run()
            taken[step].append(time.process_time() - started)
            if not repeat:
                # The kernel counts in KiB.
                peak_gb[step] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    seconds = {step: statistics.median(values) for step, values in taken.items()}
    measured = [
        {
            "units": len(seen.region),
            "regions": len(seen.regions),
            "samples": size.trials * size.bins,
            "step": step,
            "seconds": value,
            "over_fit": value / seconds["fit"],
            "over_ridge": value / seconds.get("Ridge of scikit-learn", np.nan),
            "over_floor": value / seconds.get("one pass of moments", np.nan),
            "peak_gb": peak_gb[step],
        }
        for step, value in seconds.items()
    ]
    return pd.DataFrame(measured)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure and write the table."""
    parser = command.parser("scale", __doc__, "scale.md and scale/", seeds=[200], again=False)
    parser.add_argument(
        "--sizes", nargs="+", type=Size.parse, default=list(SIZES), help="recordings: units x regions x trials x bins"
    )
    parser.add_argument("--repeats", type=int, default=3, help="number of runs, of which the median counts")
    parser.add_argument("--steps", nargs="+", default=[], help="steps beside the fit (default: all)")
    parser.add_argument("--smoke", action="store_true", help="a tiny recording and a single run")
    options = parser.parse_args(arguments)
    out = command.folder(options)
    sizes, repeats = ([SMOKE_SIZE], 1) if options.smoke else (options.sizes, options.repeats)
    table = out / "scale" / "scale.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    with command.measuring(), threadpool_limits(1):
        for size in sizes:
            new = measure(size, options.seeds[0], repeats, options.steps)
            rows.add(table, KEYS, new, order=sorted({*rows.rows(table, KEYS)["units"], *new["units"]}))
    shown = rows.rows(table, KEYS).rename(columns=COLUMNS).astype(object)
    text = shown.map(lambda value: number(value) if isinstance(value, float) else str(value))
    insert(out / "scale.md", "scale", markdown(text))


if __name__ == "__main__":
    main()
