"""What the mechanism of a low-rank fit says about the network behind a recording whose mechanism is known.

``python -m benchmarks.mechanism`` goes on where it stopped; rows that are in the table are not computed again.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from benchmarks.document import insert
from benchmarks.mechanism_report import summary
from benchmarks.rows import add, finished, rows
from curbd.network.equation import Network, free_run, simulate
from curbd.network.perturbed_run import silenced_run
from curbd.regression.transitions import TrainingData
from curbd.settings.models import ReducedRank
from curbd.teachers import CLIP
from lrfit.estimators.reduced_rank import reduced_rank
from lrfit.mechanism.dynamics import field, portrait
from lrfit.mechanism.limit_cycles import limit_cycles
from lrfit.mechanism.populations import loadings, populations
from lrfit.mechanism.transmission import context_ratio, transmission
from lrfit.network import LowRank, positions
from lrfit.teachers import by_hand, tasks
from lrfit.teachers.tasks import Task
from lrfit.teachers.training import trained_contextual_decision

Array = np.ndarray
KEYS = ["experiment", "network", "measured", "seed", "item"]
EXPERIMENTS = ("silencing", "fixed points", "limit cycle", "gating")
SEEDS: Mapping[str, range] = {
    "silencing": range(5),
    "fixed points": range(10),
    "limit cycle": range(5),
    "gating": range(5),
}
MEASURED = (0.0, 0.05)
"""Standard deviations of the noise added to the recorded rates."""
TRIALS, FRESH = 200, 400
"""Trials that are recorded, and fresh ones on which silencing and gating are tested."""
log = logging.getLogger("mechanism")


class Item(NamedTuple):
    """One number that is known of the network and read from the fit."""

    item: str
    true: float
    fitted: float


class Behind(NamedTuple):
    """The network behind a recording: its output is readout r, its units fall into given groups."""

    network: Network
    readout: Array
    start: Array
    group: Array


def fitted(
    behind: Behind, task: Task, measured: float, rng: np.random.Generator, spread: Array | None = None
) -> LowRank:
    """The low-rank network fitted to noisy trials of a task; rank, penalty and time constant are found.

    Parameters
    ----------
    measured : standard deviation of the noise on the recorded rates; the process noise is .05 a step. Where there is
        any, the time constant is given: noise that is new in every bin makes the estimate too short.
    spread : (trial, unit) what is added to the state at the start.
    """
    trials = len(task.inputs)
    x0 = np.repeat(behind.start[None], trials, 0) + (0 if spread is None else spread)
    r = simulate(behind.network, x0, task.inputs, noise_sd=by_hand.NOISE_SD, rng=rng)
    if measured:
        r = np.clip(r + measured * rng.standard_normal(r.shape), -CLIP, CLIP)
    region = np.zeros(r.shape[2], dtype=int)
    tau_s = behind.network.tau_s if measured else None
    data = TrainingData(r, task.inputs, region, 1, np.arange(trials), task.dt_s, 1, tau_s)
    fit = reduced_rank(data, ReducedRank(), rng)
    if fit.factors is None:
        raise ValueError("reduced_rank: found no factors")
    return LowRank(*fit.factors, fit.network)


def silencing(network: str, seed: int, measured: float) -> Iterator[Item]:
    """Accuracy in each context with each population silenced, in the network and in its fit.

    The populations are those of the network and those that the mixture finds in the fit; both runs have the process
    noise of the recording, and both are read by the readout of the network.
    """
    rng = np.random.default_rng([seed, 10])
    behind = _contextual(network, seed)
    one = fitted(behind, tasks.contextual_decision(TRIALS, rng), measured, rng)
    found = populations(loadings(one)).label
    task = tasks.contextual_decision(FRESH, rng)
    groups = {"none": np.zeros(len(found), bool)}
    groups |= {f"true {group}": behind.group == group for group in np.unique(behind.group)}
    if found.any():
        groups |= {f"found {group}": found == group for group in np.unique(found)}
    for name, silent in groups.items():
        said = [
            _noisy_output(which, behind, task, silent, np.random.default_rng([seed, 11, place]))
            for place, which in enumerate((behind.network, one.network))
        ]
        for context in (0, 1):
            mine = task.trials["context"].to_numpy() == context
            of_context = task._replace(target=task.target[mine], mask=task.mask[mine])
            yield Item(f"context {context}, {name}", *(tasks.accuracy(of_context, output[mine]) for output in said))


def fixed_points(network: str, seed: int, measured: float) -> Iterator[Item]:
    """Numbers of points by their growing directions, without input, and how far off the stable ones are."""
    rng = np.random.default_rng([seed, 20])
    teacher = getattr(by_hand, network)(seed, units=256)
    task = tasks.TASKS[network](TRIALS // 2, rng)
    one = fitted(_behind(teacher), task, measured, rng)
    known = LowRank(teacher.m, teacher.n, teacher.network)
    r = free_run(teacher.network, by_hand.start_rates(teacher, task.inputs), task.inputs)
    nothing = np.zeros(task.inputs.shape[2])
    rest, ends = [], []
    for which in (known, one):
        of = field(which, nothing)
        z = positions(which, r, task.inputs).reshape(-1, which.m.shape[1])
        fixed = portrait(of, z).fixed
        rest.append([int((point.eigenvalues.real > 1).sum()) for point in fixed])
        points = [point.z for point in fixed if point.stability == "stable"]
        ends.append(np.tanh(np.reshape(points, (-1, which.m.shape[1])) @ of.m.T + of.offset))
    for growing in range(max(max(counts, default=0) for counts in rest) + 1):
        yield Item(f"points with {growing} growing directions", *(counts.count(growing) for counts in rest))
    apart = np.sqrt(((ends[0][:, None] - ends[1][None]) ** 2).mean(2))
    spread = float(np.sqrt(r.reshape(-1, r.shape[2]).var(0).mean()))
    farthest = float(apart.min(1).max() / spread) if apart.size else np.nan
    yield Item("distance of the stable points", 0.0, farthest)


def limit_cycle(network: str, seed: int, measured: float) -> Iterator[Item]:
    """Period, s, and Floquet multiplier, and how many cycles there are."""
    rng = np.random.default_rng([seed, 30])
    teacher = by_hand.oscillator(seed, units=256)
    spread = 0.3 * rng.standard_normal((TRIALS, 2)) @ teacher.m.T
    task = tasks.oscillator(TRIALS, rng)
    one = fitted(_behind(teacher), task, measured, rng, spread)
    around = rng.standard_normal((100, one.m.shape[1]))
    cycles = limit_cycles(field(one, np.zeros(0)), around)
    yield Item("cycles", 1, len(cycles))
    yield Item("period_s", 1.0, cycles[0].period_s if cycles else np.nan)
    yield Item("multiplier", 0.2, float(cycles[0].multipliers[0].real) if cycles else np.nan)


def gating(network: str, seed: int, measured: float) -> Iterator[Item]:
    """Context ratio of the current that each population of the relay passes on, with and without the context region."""
    rng = np.random.default_rng([seed, 40])
    teacher = by_hand.gating(seed, units=128)
    one = fitted(_behind(teacher), tasks.contextual_decision(TRIALS, rng, cue=10), measured, rng)
    # Every pair of stimuli comes in both contexts, so that they differ in nothing else.
    half = tasks.contextual_decision(FRESH, rng, cue=10)
    other = half.inputs.copy()
    other[..., 2:] = half.inputs[..., [3, 2]]
    inputs = np.concatenate([half.inputs, other])
    context = np.concatenate([half.trials["context"], 1 - half.trials["context"]])
    sources = {name: teacher.population == group for group, name in enumerate(("population 0", "population 1"))}
    targets = {"context": teacher.region == "context"}
    for silenced in ("", "context"):
        ratios = []
        for which in (teacher.network, one.network):
            start = by_hand.start_rates(teacher, inputs)
            run = silenced_run(which, start, inputs, teacher.region == silenced)
            passed = transmission(which, run, context, sources, targets).transmitted
            ratios.append(context_ratio(passed).max("condition").sel(target="context"))
        for name in sources:
            words = f"{name}, context silenced" if silenced else name
            yield Item(words, *(float(ratio.sel(source=name)) for ratio in ratios))


def _behind(teacher: by_hand.LowRankTeacher) -> Behind:
    return Behind(teacher.network, teacher.readout, teacher.start, teacher.population)


def _contextual(network: str, seed: int) -> Behind:
    """A network that solves the contextual decision: constructed, or of full rank and trained.

    The groups of a trained one are its units with the largest weights on either context, a quarter each, and the rest.
    """
    if network == "constructed":
        return _behind(by_hand.contextual_decision(seed, units=256))
    trained = trained_contextual_decision(seed)
    difference = np.abs(trained.network.B[:, 2]) - np.abs(trained.network.B[:, 3])
    low, high = np.quantile(difference, [0.25, 0.75])
    group = np.where(difference >= high, 0, np.where(difference <= low, 1, 2))
    return Behind(trained.network, trained.readout, np.zeros(len(group)), group)


def _noisy_output(network: Network, behind: Behind, task: Task, silent: Array, rng: np.random.Generator) -> Array:
    gain = np.where(silent, 0.0, 1.0)[None, None] * np.ones((1, task.inputs.shape[1], 1))
    x0 = np.repeat(behind.start[None], len(task.inputs), 0)
    run = simulate(network, x0, task.inputs, gain=gain, noise_sd=by_hand.NOISE_SD, rng=rng)
    return run @ behind.readout.T


Experiment = Callable[[str, int, float], Iterator[Item]]
WORK: Mapping[tuple[str, str], Experiment] = {
    ("silencing", "constructed"): silencing,
    ("silencing", "trained"): silencing,
    ("fixed points", "flip_flop"): fixed_points,
    ("fixed points", "random_dots"): fixed_points,
    ("limit cycle", "oscillator"): limit_cycle,
    ("gating", "gating"): gating,
}


def measure(table: Path, first: int = 0, *, again: bool = False, only: Sequence[str] = EXPERIMENTS) -> pd.DataFrame:
    """Fill the table (CSV, one row a number) with what is missing, and return it.

    Parameters
    ----------
    first : added to every seed.
    """
    done = {key[:4] for key in finished(table, KEYS, again)}
    for measured in MEASURED:
        for (experiment, network), work in WORK.items():
            for seed in SEEDS[experiment]:
                key = (experiment, network, measured, seed + first)
                if key in done or experiment not in only:
                    continue
                new = pd.DataFrame(work(network, seed + first, measured))
                log.info("%s\n%s", key, new.to_string(index=False))
                new = new.assign(experiment=experiment, network=network, measured=measured, seed=seed + first)
                add(table, KEYS, new[[*KEYS, "true", "fitted"]], EXPERIMENTS)
    return rows(table, KEYS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.mechanism")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of mechanism.md and mechanism.csv")
    parser.add_argument("--first", type=int, default=0, help="added to every seed")
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, default=EXPERIMENTS)
    parser.add_argument("--again", action="store_true", help="compute again what is there")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(1)
    found = measure(options.out / "mechanism.csv", options.first, again=options.again, only=options.only)
    insert(options.out / "mechanism.md", "mechanism", summary(found))


if __name__ == "__main__":
    main()
