"""Whether the mechanism of a low-rank fit is the mechanism of the network that made the recording.

``python -m benchmarks.mechanism`` continues where it was stopped: rows that are in the table are not computed again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks import command
from benchmarks.document import insert
from benchmarks.mechanism_report import summary
from benchmarks.rows import Item, add, finished, rows
from curbd.dynamics.field import field_at, positions
from curbd.dynamics.fixed_points import portrait
from curbd.dynamics.limit_cycles import limit_cycles
from curbd.network.equation import Network, free_run, simulate
from curbd.network.perturbed_run import silenced_run
from curbd.regression.transitions import TrainingData
from curbd.settings.estimators import ReducedRank
from curbd.teachers import CLIP
from lrfit.estimators.reduced_rank import reduced_rank
from lrfit.mechanism.populations import loadings, populations
from lrfit.mechanism.transmission import context_ratio, transmission
from lrfit.network import LowRank
from lrfit.teachers import constructed, low_rank_teacher, tasks
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
MEASUREMENT_NOISE_SDS = (0.0, 0.05)
"""Standard deviations of the noise that is added to the recorded rates."""
RECORDED_TRIALS = 200
"""Trials to which networks are fitted."""
TEST_TRIALS = 400
"""Further trials, on which silencing and gating are tested."""
log = logging.getLogger("mechanism")


class TrueNetwork(NamedTuple):
    """The network that makes a recording.

    Attributes
    ----------
    network : the network.
    readout : (output, unit) the output of the network is readout r.
    start : (unit,) state at the start of a trial.
    group : (unit,) number of each unit's group.
    """

    network: Network
    readout: Array
    start: Array
    group: Array


def fitted(
    truth: TrueNetwork, task: Task, measured: float, rng: np.random.Generator, spread: Array | None = None
) -> LowRank:
    """The low-rank network fitted to noisy trials of a task, with its rank, penalty and time constant estimated.

    Parameters
    ----------
    truth : network that makes the recording, with process noise of .05 a step.
    task : trials.
    measured : standard deviation of the noise on the recorded rates. With such noise the time constant is given: noise
        that is new in every bin makes the estimate too short.
    rng : random numbers of both noises.
    spread : (trial, unit) deviation of the state at the start of each trial, or None.
    """
    trials = len(task.inputs)
    x0 = np.repeat(truth.start[None], trials, 0) + (0 if spread is None else spread)
    r = simulate(truth.network, x0, task.inputs, noise_sd=low_rank_teacher.NOISE_SD, rng=rng)
    if measured:
        r = np.clip(r + measured * rng.standard_normal(r.shape), -CLIP, CLIP)
    data = TrainingData(
        r=r,
        u=task.inputs,
        region=np.zeros(r.shape[2], dtype=int),
        n_regions=1,
        trial=np.arange(trials),
        dt_s=task.dt_s,
        substeps=1,
        tau_s=truth.network.tau_s if measured else None,
    )
    fit = reduced_rank(data, ReducedRank(), rng)
    if fit.factors is None:
        raise ValueError("reduced_rank: found no factors")
    return LowRank(*fit.factors, fit.network)


def silencing(network: str, seed: int, measured: float) -> Iterator[Item]:
    """Accuracy in each context with each population silenced, in the network and in its fit.

    The silenced populations are the groups of the network, and the populations that a mixture finds in the fit. Both
    networks run with the process noise of the recording, and their outputs are read by the readout of the true network.

    Parameters
    ----------
    network : name of the network, a second entry of a key of `WORK`.
    seed : of the network and of all noise.
    measured : standard deviation of the noise on the recorded rates.
    """
    rng = np.random.default_rng([seed, 10])
    truth = _contextual(network, seed)
    fit = fitted(truth, tasks.contextual_decision(RECORDED_TRIALS, rng), measured, rng)
    population = populations(loadings(fit)).label
    task = tasks.contextual_decision(TEST_TRIALS, rng)
    groups = {"none": np.zeros(len(population), bool)}
    groups |= {f"true {group}": truth.group == group for group in np.unique(truth.group)}
    if population.any():
        groups |= {f"found {group}": population == group for group in np.unique(population)}
    for name, silent in groups.items():
        outputs = [
            _noisy_output(runner, truth, task, silent, np.random.default_rng([seed, 11, index]))
            for index, runner in enumerate((truth.network, fit.network))
        ]
        for context in (0, 1):
            chosen = task.trials["context"].to_numpy() == context
            of_context = task._replace(target=task.target[chosen], mask=task.mask[chosen])
            yield Item(
                f"context {context}, {name}", *(tasks.accuracy(of_context, output[chosen]) for output in outputs)
            )


def fixed_points(network: str, seed: int, measured: float) -> Iterator[Item]:
    """Number of fixed points with each number of growing directions, without input, and errors of the stable points.

    Parameters
    ----------
    network : name of the network, a second entry of a key of `WORK`.
    seed : of the network and of all noise.
    measured : standard deviation of the noise on the recorded rates.
    """
    rng = np.random.default_rng([seed, 20])
    teacher = getattr(constructed, network)(seed, units=256)
    task = tasks.TASKS[network](RECORDED_TRIALS // 2, rng)
    fit = fitted(_true_network(teacher), task, measured, rng)
    true = LowRank(teacher.m, teacher.n, teacher.network)
    r = free_run(teacher.network, low_rank_teacher.start_rates(teacher, task.inputs), task.inputs)
    no_input = np.zeros(task.inputs.shape[2])
    directions, ends = [], []
    for low_rank in (true, fit):
        field = field_at(low_rank, no_input)
        z = positions(low_rank, r, task.inputs).reshape(-1, low_rank.m.shape[1])
        fixed = portrait(field, z).fixed
        directions.append([int((point.eigenvalues.real > 1).sum()) for point in fixed])
        points = [point.z for point in fixed if point.stability == "stable"]
        ends.append(np.tanh(np.reshape(points, (-1, low_rank.m.shape[1])) @ field.m.T + field.offset))
    for growing in range(max(max(counts, default=0) for counts in directions) + 1):
        yield Item(f"points with {growing} growing directions", *(counts.count(growing) for counts in directions))
    apart = np.sqrt(((ends[0][:, None] - ends[1][None]) ** 2).mean(2))
    spread = float(np.sqrt(r.reshape(-1, r.shape[2]).var(0).mean()))
    farthest = float(apart.min(1).max() / spread) if apart.size else np.nan
    yield Item("distance of the stable points", 0.0, farthest)


def limit_cycle(network: str, seed: int, measured: float) -> Iterator[Item]:
    """Period, s, and Floquet multiplier of the limit cycle, and the number of limit cycles.

    Parameters
    ----------
    network : name of the network, a second entry of a key of `WORK`.
    seed : of the network and of all noise.
    measured : standard deviation of the noise on the recorded rates.
    """
    rng = np.random.default_rng([seed, 30])
    teacher = constructed.oscillator(seed, units=256)
    spread = 0.3 * rng.standard_normal((RECORDED_TRIALS, 2)) @ teacher.m.T
    task = tasks.oscillator(RECORDED_TRIALS, rng)
    fit = fitted(_true_network(teacher), task, measured, rng, spread)
    around = rng.standard_normal((100, fit.m.shape[1]))
    cycles = limit_cycles(field_at(fit, np.zeros(0)), around)
    yield Item("cycles", 1, len(cycles))
    yield Item("period_s", 1.0, cycles[0].period_s if cycles else np.nan)
    yield Item("multiplier", 0.2, float(cycles[0].multipliers[0].real) if cycles else np.nan)


def gating(network: str, seed: int, measured: float) -> Iterator[Item]:
    """Context ratio of the current that each population of the relay sends, with and without the context region.

    Parameters
    ----------
    network : name of the network, a second entry of a key of `WORK`.
    seed : of the network and of all noise.
    measured : standard deviation of the noise on the recorded rates.
    """
    rng = np.random.default_rng([seed, 40])
    teacher = constructed.gating(seed, units=128)
    fit = fitted(_true_network(teacher), tasks.contextual_decision(RECORDED_TRIALS, rng, cue=10), measured, rng)
    # Every pair of stimuli comes in both contexts, so that the contexts differ in nothing else.
    half = tasks.contextual_decision(TEST_TRIALS, rng, cue=10)
    swapped = half.inputs.copy()
    swapped[..., 2:] = half.inputs[..., [3, 2]]
    inputs = np.concatenate([half.inputs, swapped])
    context = np.concatenate([half.trials["context"], 1 - half.trials["context"]])
    sources = {name: teacher.population == group for group, name in enumerate(("population 0", "population 1"))}
    targets = {"context": teacher.region == "context"}
    for silenced in ("", "context"):
        ratios = []
        for runner in (teacher.network, fit.network):
            start = low_rank_teacher.start_rates(teacher, inputs)
            run = silenced_run(runner, start, inputs, teacher.region == silenced)
            passed = transmission(runner, run, context, sources, targets).transmitted
            ratios.append(context_ratio(passed).max("condition").sel(target="context"))
        for name in sources:
            words = f"{name}, context silenced" if silenced else name
            yield Item(words, *(float(ratio.sel(source=name)) for ratio in ratios))


def _true_network(teacher: low_rank_teacher.LowRankTeacher) -> TrueNetwork:
    return TrueNetwork(teacher.network, teacher.readout, teacher.start, teacher.population)


def _contextual(network: str, seed: int) -> TrueNetwork:
    """A network that solves the contextual decision: constructed, or of full rank and trained.

    Groups of a trained network are the quarter of its units with the largest weights on one context, the quarter with
    the largest weights on the other context, and the rest.
    """
    if network == "constructed":
        return _true_network(constructed.contextual_decision(seed, units=256))
    trained = trained_contextual_decision(seed)
    difference = np.abs(trained.network.B[:, 2]) - np.abs(trained.network.B[:, 3])
    low, high = np.quantile(difference, [0.25, 0.75])
    group = np.where(difference >= high, 0, np.where(difference <= low, 1, 2))
    return TrueNetwork(trained.network, trained.readout, np.zeros(len(group)), group)


def _noisy_output(network: Network, truth: TrueNetwork, task: Task, silent: Array, rng: np.random.Generator) -> Array:
    gain = np.where(silent, 0.0, 1.0)[None, None] * np.ones((1, task.inputs.shape[1], 1))
    x0 = np.repeat(truth.start[None], len(task.inputs), 0)
    run = simulate(network, x0, task.inputs, gain=gain, noise_sd=low_rank_teacher.NOISE_SD, rng=rng)
    return run @ truth.readout.T


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
    """Compute the missing rows of a table (CSV), one for each number, and return all rows.

    Parameters
    ----------
    table : path of the table.
    first : number that is added to every seed.
    again : whether rows that the table holds are computed anew.
    only : experiments to run.
    """
    done = {key[:4] for key in finished(table, KEYS, again)}
    for measured in MEASUREMENT_NOISE_SDS:
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
    parser = command.parser("mechanism", __doc__, "mechanism.md and mechanism.csv")
    parser.add_argument("--first", type=int, default=0, help="number that is added to every seed")
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, default=EXPERIMENTS, help="experiments to run")
    options = parser.parse_args(arguments)
    out = command.folder(options)
    with command.measuring():
        numbers = measure(out / "mechanism.csv", options.first, again=options.again, only=options.only)
    insert(out / "mechanism.md", "mechanism", summary(numbers))


if __name__ == "__main__":
    main()
