"""Low-rank networks against the published method: constructed and trained teachers, ranks, blocks of regions.

``python -m benchmarks.low_rank`` continues where it was stopped: rows that are in a table are not computed again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks import command
from benchmarks.document import insert
from benchmarks.low_rank_report import blocks_text, tasks_text, trained_text, unrecorded_text
from benchmarks.rows import add, finished, rows
from curbd.network.equation import Network, simulate
from curbd.regression.transitions import TrainingData
from curbd.settings.estimators import BlockRank, ReducedRank, Trajectory
from curbd.teachers import multi_region
from lrfit.estimators.block_rank import block_rank
from lrfit.estimators.hidden_units import recorded_free_run, with_unrecorded
from lrfit.estimators.reduced_rank import reduced_rank
from lrfit.estimators.trajectory import trajectory
from lrfit.mechanism.geometry import connectivity_r, effective, visited_directions
from lrfit.network import LowRank
from lrfit.teachers import constructed, low_rank_teacher, tasks
from lrfit.teachers.tasks import Task, accuracy
from lrfit.teachers.training import Trained, trained_contextual_decision, trained_delayed_match

Array = np.ndarray
SEEDS = (0, 1, 2, 3, 4)
NOISE_SD = {"random_dots": 0.05, "romo": 0.01, "contextual_decision": 0.05, "delayed_match": 0.05}
"""Task -> standard deviation of the process noise of its teacher, as in the published comparison."""
TRAINED: Mapping[str, Callable[[int], Trained]] = {
    "contextual_decision": trained_contextual_decision,
    "delayed_match": trained_delayed_match,
}
REGIONS = ("A", "B", "C")
FRESH_TRIALS = 80
"""Trials on which a fit is scored; none of them is a training trial."""

log = logging.getLogger("low_rank")


def on_task(name: str, seed: int, trials: int = 400) -> dict[str, float]:
    """One row of the table ``tasks``: a constructed teacher of a task, fitted without its rank, scored on fresh trials.

    Parameters
    ----------
    name : task.
    seed : of the teacher and of all noise.
    trials : number of training trials.

    Returns
    -------
    rank, true_rank : rank of the fit and of the teacher.
    r2_over_ceiling : R2 of a noisy run of the teacher with a noisy run of the fit, divided by ceiling_r2.
    ceiling_r2 : R2 of two noisy runs of the teacher.
    clean_r2 : R2 of the teacher with the fit, both without noise.
    connectivity_r : cosine between the two connectivities.
    effective_r : cosine between the connectivities projected on the directions that the noise-free rates visit.
    noise_r2_over_teacher : R2 of the noise-free teacher with the fit at noise .05 a step, divided by its R2 with the
        teacher at that noise.
    seconds, cpu_seconds : wall time and processor time of the fit, s.
    """
    rng = np.random.default_rng([seed, 1])
    teacher = getattr(constructed, name)(seed)
    recording = low_rank_teacher.record(teacher, tasks.TASKS[name](trials, rng), rng, noise_sd=NOISE_SD[name])
    data = as_training_data(recording.rates, recording.inputs)
    started, started_cpu = time.perf_counter(), time.process_time()
    fit = reduced_rank(data, ReducedRank(), rng)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    task = tasks.TASKS[name](FRESH_TRIALS, rng)

    def run(network: Network, noise_sd: float, draw: int) -> Array:
        return task_run(network, teacher.start, task, noise_sd, np.random.default_rng([seed, 2, draw]))

    clean, fitted_clean = run(teacher.network, 0, 0), run(fit.network, 0, 0)
    noisy = run(teacher.network, NOISE_SD[name], 1)
    ceiling = r_squared(noisy, run(teacher.network, NOISE_SD[name], 2))
    true = LowRank(teacher.m, teacher.n, teacher.network)
    m, n = fit.factors or (np.zeros((len(teacher.m), 0)), np.zeros((len(teacher.n), 0)))
    estimate = LowRank(m, n, fit.network)
    visited = [visited_directions(r[np.isfinite(r).all(2)]) for r in (clean, fitted_clean)]
    return {
        "rank": estimate.m.shape[1],
        "true_rank": true.m.shape[1],
        "r2_over_ceiling": r_squared(noisy, run(fit.network, NOISE_SD[name], 3)) / ceiling,
        "ceiling_r2": ceiling,
        "clean_r2": r_squared(clean, fitted_clean),
        "connectivity_r": connectivity_r(true, estimate),
        "effective_r": connectivity_r(effective(true, visited[0]), effective(estimate, visited[1])),
        "noise_r2_over_teacher": r_squared(clean, run(fit.network, 0.05, 5))
        / r_squared(clean, run(teacher.network, 0.05, 4)),
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
    }


def on_trained(name: str, seed: int, trials: int = 100) -> dict[str, float]:
    """One row of the table ``trained``: a full-rank network trained on a task, and a low-rank network fitted to it.

    Parameters
    ----------
    name : task.
    seed : of the training and of all noise.
    trials : number of recorded trials to which the low-rank network is fitted.

    Returns
    -------
    rank : effective rank, see `lrfit.estimators.trajectory.effective_rank`.
    r2 : R2 of noise-free free runs of the trained network with those of the low-rank network, refined through time.
    closed_form_r2 : R2 with the low-rank network of the same rank from the closed form.
    accuracy, low_rank_accuracy : share of fresh trials that the trained and the refined network answer correctly,
        through the trained readout.
    cpu_seconds : processor time of the fit, s.
    """
    rng = np.random.default_rng([seed, 3])
    network, readout = TRAINED[name](seed)
    start = np.zeros(len(network.J))
    train, fresh = tasks.TASKS[name](trials, rng), tasks.TASKS[name](FRESH_TRIALS, rng)
    data = as_training_data(task_run(network, start, train, low_rank_teacher.NOISE_SD, rng), train.inputs)
    started = time.process_time()
    fit = trajectory(data, Trajectory(), rng)
    cpu_seconds = time.process_time() - started
    rank = 0 if fit.factors is None else fit.factors[0].shape[1]
    closed = reduced_rank(data, ReducedRank(rank=rank), rng)
    truth, refined, plain = (
        task_run(runner, start, fresh, 0, rng) for runner in (network, fit.network, closed.network)
    )
    return {
        "rank": rank,
        "r2": r_squared(truth, refined),
        "closed_form_r2": r_squared(truth, plain),
        "accuracy": accuracy(fresh, np.nan_to_num(truth) @ readout.T),
        "low_rank_accuracy": accuracy(fresh, np.nan_to_num(refined) @ readout.T),
        "cpu_seconds": cpu_seconds,
    }


def on_unrecorded(recorded: int, seed: int, trials: int = 40, units: int = 45) -> dict[str, float]:
    """One row of the table ``unrecorded``: some units of a noise-free teacher of delayed match; rank 2 is given.

    Parameters
    ----------
    recorded : number of recorded units.
    seed : of the teacher and of the choice of units.
    trials : number of training trials.
    units : number of units of the teacher.

    Returns
    -------
    r2 : R2 of fresh trials with free runs of a fit to the recorded units alone.
    r2_with_unrecorded : R2 with free runs of a fit that adds the number of units that were not recorded.
    """
    rng = np.random.default_rng([seed, 5])
    teacher = constructed.delayed_match(seed, units=units)
    chosen = rng.permutation(units)[:recorded]
    train, fresh = (
        low_rank_teacher.record(teacher, tasks.delayed_match(count, rng), rng, noise_sd=0, spread=0.3)
        for count in (trials, FRESH_TRIALS)
    )
    data = as_training_data(train.rates[..., chosen], train.inputs)._replace(tau_s=teacher.network.tau_s)
    rates = fresh.rates[..., chosen]
    fits = [
        with_unrecorded(data, added, Trajectory(rank=2), np.random.default_rng(seed)) for added in (0, units - recorded)
    ]
    without, beyond = (r_squared(rates, recorded_free_run(network, rates, fresh.inputs)) for network in fits)
    return {"r2": without, "r2_with_unrecorded": beyond}


def on_blocks(trials: int, seed: int) -> dict[str, float]:
    """One row of the table ``blocks``: three regions of 40 units, of rank 2 within them and 1 or 0 between them.

    Parameters
    ----------
    trials : number of training trials.
    seed : of the teacher, and of the coin that decides whether a pathway is absent.

    Returns
    -------
    right : number of blocks, of nine, whose rank is found.
    covered : number of blocks whose interval holds the true rank.
    absent : number of absent pathways.
    cpu_seconds : processor time of the fit, s.
    """
    rng = np.random.default_rng([seed, 4])
    absent = [(t, s) for t in REGIONS for s in REGIONS if t != s and rng.random() < 0.5]
    teacher = multi_region(rank=2, trials=trials, absent=absent, seed=seed)
    true = np.array([[2 if t == s else int((t, s) not in absent) for s in REGIONS] for t in REGIONS])
    region = np.searchsorted(REGIONS, teacher.region)
    data = as_training_data(teacher.rates, teacher.inputs)._replace(
        region=region, n_regions=3, dt_s=teacher.network.dt_s, substeps=teacher.network.substeps
    )
    started = time.process_time()
    ranks = block_rank(data, BlockRank(), rng).ranks
    seconds = time.process_time() - started
    if ranks is None:
        return {"right": 0, "covered": 0, "cpu_seconds": seconds}
    return {
        "right": int((ranks.rank == true).sum()),
        "covered": int(((ranks.low <= true) & (true <= ranks.high)).sum()),
        "absent": len(absent),
        "cpu_seconds": seconds,
    }


def as_training_data(rates: Array, inputs: Array) -> TrainingData:
    """Trials of one region, rates (trial, time, unit) and inputs (trial, time, input); the time constant is unknown."""
    return TrainingData(
        r=rates,
        u=inputs,
        region=np.zeros(rates.shape[2], dtype=int),
        n_regions=1,
        trial=np.arange(len(rates)),
        dt_s=tasks.DT_S,
        substeps=1,
        tau_s=None,
    )


def task_run(network: Network, start: Array, task: Task, noise_sd: float, rng: np.random.Generator) -> Array:
    """Rates of a network in the trials of a task.

    Parameters
    ----------
    network : the network.
    start : (unit,) state at the start of every trial.
    task : trials.
    noise_sd : standard deviation of the noise that is added to x in every step.
    rng : random numbers of the noise.

    Returns
    -------
    (trial, time, unit) NaN past the end of a trial.
    """
    x0 = np.tile(start, (len(task.inputs), 1))
    rates = simulate(network, x0, task.inputs, noise_sd=noise_sd, rng=rng)
    rates[np.arange(task.inputs.shape[1]) >= task.length[:, None]] = np.nan
    return rates


def r_squared(true: Array, estimate: Array) -> float:
    """1 - squared error over the variance about one grand mean, as in the published comparison."""
    spread = np.nansum((true - np.nanmean(true)) ** 2)
    return float(1 - np.nansum((true - estimate) ** 2) / spread)


class Part(NamedTuple):
    """One table of the benchmark.

    Attributes
    ----------
    column : name of the first column, which says what was fitted.
    values : values of that column.
    row : (value, seed) -> the other columns.
    text : rows -> Markdown.
    sets_of_seeds : how many times as many teachers as the other tables.
    """

    column: str
    values: Sequence[str | int]
    row: Callable[[Any, int], dict[str, float]]
    text: Callable[[pd.DataFrame], str]
    sets_of_seeds: int = 1


PARTS: Mapping[str, Part] = {
    "tasks": Part(column="task", values=list(NOISE_SD), row=on_task, text=tasks_text),
    "blocks": Part(column="trials", values=(40, 20, 10), row=on_blocks, text=blocks_text, sets_of_seeds=2),
    "trained": Part(column="task", values=list(TRAINED), row=on_trained, text=trained_text),
    "unrecorded": Part(column="recorded", values=(30, 8), row=on_unrecorded, text=unrecorded_text),
}
"""Name of the table -> how the table is filled."""


def fill(table: Path, part: Part, seeds: Sequence[int], *, again: bool = False) -> pd.DataFrame:
    """Compute the rows of a table (CSV) that are missing, one after another, and return all rows.

    Parameters
    ----------
    table : path of the table.
    part : what the table holds.
    seeds : seeds of the teachers; a second set of teachers has seeds that are larger by the number of `SEEDS`.
    again : whether rows that the table holds are computed anew.
    """
    keys = [part.column, "seed"]
    done = finished(table, keys, again)
    for seed in [seed + len(SEEDS) * repeat for repeat in range(part.sets_of_seeds) for seed in seeds]:
        for value in part.values:
            if (value, seed) not in done:
                add(
                    table, keys, pd.DataFrame([{part.column: value, "seed": seed} | part.row(value, seed)]), part.values
                )
                log.info("%s: %s %s, seed %d", table.stem, part.column, value, seed)
    return rows(table, keys)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: run what is missing, then write the tables."""
    parser = command.parser("low_rank", __doc__, "low_rank.md and low_rank/", seeds=SEEDS)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART")
    options = parser.parse_args(arguments)
    out = command.folder(options)
    for name in options.parts:
        part, table = PARTS[name], out / "low_rank" / f"{name}.csv"
        with command.measuring():
            lines = fill(table, part, options.seeds, again=options.again)
        insert(out / "low_rank.md", name, part.text(lines))


if __name__ == "__main__":
    main()
