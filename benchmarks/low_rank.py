"""Low-rank networks against the published method: constructed and trained teachers, ranks, blocks of regions.

``python -m benchmarks.low_rank`` goes on where it stopped; rows that are in a table are not computed again.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.document import insert
from benchmarks.low_rank_report import blocks_text, tasks_text, trained_text, unrecorded_text
from benchmarks.rows import add, finished, rows
from curbd.network.equation import Network, simulate
from curbd.regression.transitions import TrainingData
from curbd.settings.models import BlockRank, ReducedRank, Trajectory
from curbd.teachers import multi_region
from lrfit.estimators.block_rank import block_rank
from lrfit.estimators.hidden_units import free_run as free_run_beyond
from lrfit.estimators.hidden_units import with_unrecorded
from lrfit.estimators.reduced_rank import reduced_rank
from lrfit.estimators.trajectory import trajectory
from lrfit.mechanism.geometry import connectivity_r, effective, visited_directions
from lrfit.network import LowRank
from lrfit.teachers import by_hand, tasks
from lrfit.teachers.tasks import Task, accuracy
from lrfit.teachers.training import Trained, trained_contextual_decision, trained_delayed_match

Array = np.ndarray
SEEDS = (0, 1, 2, 3, 4)
NOISE = {"random_dots": 0.05, "romo": 0.01, "contextual_decision": 0.05, "delayed_match": 0.05}
"""Task -> process noise of its teacher, as in the published comparison."""
TRAINED: Mapping[str, Callable[[int], Trained]] = {
    "contextual_decision": trained_contextual_decision,
    "delayed_match": trained_delayed_match,
}
Cases = Mapping[tuple[object, int], Callable[[], dict[str, float]]]
REGIONS = ("A", "B", "C")
FRESH = 80
"""Fresh trials on which a fit is scored."""

log = logging.getLogger("low_rank")


def on_task(name: str, seed: int, trials: int = 400) -> dict[str, float]:
    """One row: a constructed teacher of a task, fitted with its rank unknown, on fresh trials.

    Returns
    -------
    r2_over_ceiling : R2 of noisy runs of the fit with noisy runs of the teacher, over that of two noisy runs of the
        teacher. clean_r2 : both without noise. connectivity_r, effective_r : cosine between the connectivities, and
        between those projected on the directions that the noise-free rates visit. noise_r2_over_teacher : R2 of the fit
        with noise of .05 a step with the noise-free teacher, over that of the teacher with the same noise.
    """
    rng = np.random.default_rng([seed, 1])
    teacher = getattr(by_hand, name)(seed)
    recording = by_hand.record(teacher, tasks.TASKS[name](trials, rng), rng, noise_sd=NOISE[name])
    data = as_training_data(recording.rates, recording.inputs)
    started, started_cpu = time.perf_counter(), time.process_time()
    fit = reduced_rank(data, ReducedRank(), rng)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    task = tasks.TASKS[name](FRESH, rng)

    def run(network: Network, noise_sd: float, draw: int) -> Array:
        return free_run(network, teacher.start, task, noise_sd, np.random.default_rng([seed, 2, draw]))

    clean, fitted_clean = run(teacher.network, 0, 0), run(fit.network, 0, 0)
    noisy = run(teacher.network, NOISE[name], 1)
    ceiling = r_squared(noisy, run(teacher.network, NOISE[name], 2))
    one = LowRank(teacher.m, teacher.n, teacher.network)
    m, n = fit.factors or (np.zeros((len(teacher.m), 0)), np.zeros((len(teacher.n), 0)))
    other = LowRank(m, n, fit.network)
    visited = [visited_directions(r[np.isfinite(r).all(2)]) for r in (clean, fitted_clean)]
    return {
        "rank": other.m.shape[1],
        "true_rank": one.m.shape[1],
        "r2_over_ceiling": r_squared(noisy, run(fit.network, NOISE[name], 3)) / ceiling,
        "ceiling_r2": ceiling,
        "clean_r2": r_squared(clean, fitted_clean),
        "connectivity_r": connectivity_r(one, other),
        "effective_r": connectivity_r(effective(one, visited[0]), effective(other, visited[1])),
        "noise_r2_over_teacher": r_squared(clean, run(fit.network, 0.05, 5))
        / r_squared(clean, run(teacher.network, 0.05, 4)),
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
    }


def on_trained(name: str, seed: int, trials: int = 100) -> dict[str, float]:
    """One row: a network of full rank that was trained on a task, and the low-rank network of its effective rank.

    Returns
    -------
    rank : effective rank. r2, closed_form_r2 : noise-free free runs of the low-rank network, refined through time or
        not, with the trained one. accuracy, low_rank_accuracy : of both on fresh trials, through the trained readout.
    """
    rng = np.random.default_rng([seed, 3])
    network, readout = TRAINED[name](seed)
    start = np.zeros(len(network.J))
    train, fresh = tasks.TASKS[name](trials, rng), tasks.TASKS[name](FRESH, rng)
    data = as_training_data(free_run(network, start, train, by_hand.NOISE_SD, rng), train.inputs)
    started = time.process_time()
    fit = trajectory(data, Trajectory(), rng)
    cpu_seconds = time.process_time() - started
    rank = 0 if fit.factors is None else fit.factors[0].shape[1]
    closed = reduced_rank(data, ReducedRank(rank=rank), rng)
    truth, refined, plain = (free_run(one, start, fresh, 0, rng) for one in (network, fit.network, closed.network))
    return {
        "rank": rank,
        "r2": r_squared(truth, refined),
        "closed_form_r2": r_squared(truth, plain),
        "accuracy": accuracy(fresh, np.nan_to_num(truth) @ readout.T),
        "low_rank_accuracy": accuracy(fresh, np.nan_to_num(refined) @ readout.T),
        "cpu_seconds": cpu_seconds,
    }


def on_unrecorded(recorded: int, seed: int, trials: int = 40, units: int = 45) -> dict[str, float]:
    """One row: a teacher of delayed match of which some units were recorded, without noise; rank 2 is given.

    Returns
    -------
    r2, r2_with_unrecorded : noise-free free runs of fits to the recorded units alone, and with as many more as the
        teacher has, on fresh trials.
    """
    rng = np.random.default_rng([seed, 5])
    teacher = by_hand.delayed_match(seed, units=units)
    seen = rng.permutation(units)[:recorded]
    train, fresh = (
        by_hand.record(teacher, tasks.delayed_match(number, rng), rng, noise_sd=0, spread=0.3)
        for number in (trials, FRESH)
    )
    data = as_training_data(train.rates[..., seen], train.inputs)._replace(tau_s=teacher.network.tau_s)
    rates = fresh.rates[..., seen]
    fits = [
        with_unrecorded(data, number, Trajectory(rank=2), np.random.default_rng(seed))
        for number in (0, units - recorded)
    ]
    without, beyond = (r_squared(rates, free_run_beyond(one, rates, fresh.inputs)) for one in fits)
    return {"r2": without, "r2_with_unrecorded": beyond}


def on_blocks(trials: int, seed: int) -> dict[str, float]:
    """One row: three regions of 40 units, rank 2 within and 1 or 0 (a coin for each) between them.

    Returns
    -------
    right : blocks of nine with the true rank. covered : blocks whose interval holds it.
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
    found = block_rank(data, BlockRank(), rng).ranks
    seconds = time.process_time() - started
    if found is None:
        return {"right": 0, "covered": 0, "cpu_seconds": seconds}
    return {
        "right": int((found.found == true).sum()),
        "covered": int(((found.low <= true) & (true <= found.high)).sum()),
        "absent": len(absent),
        "cpu_seconds": seconds,
    }


def as_training_data(rates: Array, inputs: Array) -> TrainingData:
    """Trials (trial, time, unit) of one region, time constant unknown."""
    region = np.zeros(rates.shape[2], dtype=int)
    return TrainingData(rates, inputs, region, 1, np.arange(len(rates)), tasks.DT_S, 1, None)


def free_run(network: Network, start: Array, task: Task, noise_sd: float, rng: np.random.Generator) -> Array:
    """(trial, time, unit) rates, NaN past the end of a trial."""
    x0 = np.tile(start, (len(task.inputs), 1))
    rates = simulate(network, x0, task.inputs, noise_sd=noise_sd, rng=rng)
    rates[np.arange(task.inputs.shape[1]) >= task.length[:, None]] = np.nan
    return rates


def r_squared(true: Array, estimate: Array) -> float:
    """1 - squared error over the variance about one grand mean, as in the published comparison."""
    spread = np.nansum((true - np.nanmean(true)) ** 2)
    return float(1 - np.nansum((true - estimate) ** 2) / spread)


def fill(table: Path, keys: Sequence[str], cases: Cases) -> None:
    """Compute the rows of a table that are missing, one after another."""
    done = finished(table, keys)
    for case, compute in cases.items():
        if case not in done:
            add(table, keys, pd.DataFrame([dict(zip(keys, case, strict=True)) | compute()]), [])
            log.info("%s %s", table.stem, case)


def _cases(row: Callable[[Any, int], dict[str, float]], kinds: Iterable[object], seeds: Sequence[int]) -> Cases:
    return {(kind, seed): partial(row, kind, seed) for seed in seeds for kind in kinds}


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: run what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.low_rank")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of low_rank.md and low_rank/")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), help="seeds of the teachers")
    parser.add_argument("--parts", nargs="+", default=["tasks", "blocks", "trained", "unrecorded"])
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(1)
    folder = options.out / "low_rank"
    folder.mkdir(parents=True, exist_ok=True)
    ten = [*options.seeds, *(seed + len(SEEDS) for seed in options.seeds)]
    parts: dict[str, tuple[list[str], Cases, Callable[[pd.DataFrame], str]]] = {
        "tasks": (["task", "seed"], _cases(on_task, NOISE, options.seeds), tasks_text),
        "blocks": (["trials", "seed"], _cases(on_blocks, (40, 20, 10), ten), blocks_text),
        "trained": (["task", "seed"], _cases(on_trained, TRAINED, options.seeds), trained_text),
        "unrecorded": (["recorded", "seed"], _cases(on_unrecorded, (30, 8), options.seeds), unrecorded_text),
    }
    for part in options.parts:
        keys, cases, text = parts[part]
        fill(folder / f"{part}.csv", keys, cases)
        insert(options.out / "low_rank.md", part, text(rows(folder / f"{part}.csv", keys)))


if __name__ == "__main__":
    main()
