"""Whether the dynamics of a fit are those of the network that made the recording, and how much fits agree.

``python -m benchmarks.dynamics`` continues where it was stopped: rows that are in the table are not computed again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import command
from benchmarks.document import insert, markdown, number
from benchmarks.recorded import recorded
from benchmarks.rows import Item, add, finished, rows
from curbd import teachers
from curbd.degeneracy.components import variance_components
from curbd.degeneracy.degeneracy_table import degeneracy_table
from curbd.dynamics.attractors import attractors, some_states
from curbd.dynamics.limit_cycles import LimitCycle
from curbd.dynamics.lyapunov import lyapunov_spectrum
from curbd.dynamics.phase_locking import cycle_phase, phase_locking, signal_phase
from curbd.dynamics.system import NetworkSystem, network_system
from curbd.dynamics.transitions import AUTONOMOUS, InputEvent, transitions
from curbd.estimators.fitting import fit as fit_model
from curbd.estimators.one_step import one_step
from curbd.network.equation import Network, simulate
from curbd.network.fit import Fit
from curbd.regression.transitions import TrainingData
from curbd.settings.estimators import OneStep, ReducedRank
from curbd.settings.models import Model
from lrfit.estimators.reduced_rank import reduced_rank
from lrfit.teachers import constructed, low_rank_teacher, tasks

Array = np.ndarray
KEYS = ["experiment", "network", "seed", "item"]
EXPERIMENTS = ("lyapunov", "flip-flop", "locking", "degeneracy")
COMPARED: Mapping[str, Model] = {
    "one_step": Model(family="full_rank", estimator="one_step", seeds=[0, 1, 2], tau_s=0.1),
    "one_step, same trials": Model(
        family="full_rank", estimator="one_step", seeds=[0, 1], tau_s=0.1, resample_trials=False
    ),
    "force, same trials": Model(
        family="full_rank",
        estimator="force",
        options={"passes": 10},
        seeds=[0, 1],
        tau_s=0.1,
        resample_trials=False,
    ),
    "sparse": Model(family="full_rank", estimator="sparse", seeds=[0], tau_s=0.1),
}
"""Models whose fits are compared; `force` shows the effect of a random start and is left out of the verdict."""
DEGENERACY_SEEDS = range(5)
PROCESS_NOISE_SD = 0.05
TAU_S, DT_S = 0.1, 0.02
FREQUENCY_HZ: Mapping[str, float] = {"1:1": 1.05, "1:2": 2.02, "detuned": 1.45, "no input weights": 1.0}
"""Frequency of the input of the oscillator, whose own frequency is 1 Hz."""
INPUT_STRENGTH: Mapping[str, float] = {"1:1": 0.4, "1:2": 1.0, "detuned": 0.2, "no input weights": 0.0}
log = logging.getLogger("dynamics")


def fitted(network: Network, r: Array, u: Array, rng: np.random.Generator, family: str) -> Fit:
    """The network fitted to rates (trial, time, unit) by the recommended estimator of a family."""
    data = TrainingData(
        r=r,
        u=u,
        region=np.zeros(r.shape[2], dtype=int),
        n_regions=1,
        trial=np.arange(len(r)),
        dt_s=network.dt_s,
        substeps=1,
        tau_s=None,
    )
    return one_step(data, OneStep(), rng) if family == "full rank" else reduced_rank(data, ReducedRank(), rng)


def system_of_fit(fit: Fit, r: Array, u: Array) -> NetworkSystem:
    """The fit as a dynamical system; all units are in one region."""
    return network_system(fit.network, r, u, np.repeat("A", r.shape[2]), fit.factors)


def lyapunov(network: str, seed: int) -> Iterator[Item]:
    """Largest exponents of a chaotic network of 80 tanh units, times the time constant.

    Parameters
    ----------
    network : gain of the network.
    seed : of the network and of all noise.
    """
    rng = np.random.default_rng([seed, 50])
    J = float(network) * rng.standard_normal((80, 80)) / np.sqrt(80)
    true = Network(J=J, B=np.zeros((80, 0)), b=np.zeros(80), tau_s=TAU_S, dt_s=DT_S)
    u = np.zeros((40, 200, 0))
    r = simulate(true, rng.standard_normal((40, 80)), u, noise_sd=PROCESS_NOISE_SD, rng=rng)
    fit = fitted(true, r, u, rng, "full rank")
    spectra = []
    for system in (network_system(true, r, u, np.repeat("A", 80)), system_of_fit(fit, r, u)):
        field = system.field(np.zeros(0))
        spectrum = lyapunov_spectrum(field, some_states(system.z), count=3)
        spectra.append((spectrum.exponents * field.tau_s, spectrum.errors * field.tau_s))
    for index in range(3):
        yield Item(f"exponent {index + 1}", spectra[0][0][index], spectra[1][0][index])
    yield Item("error of the largest", spectra[0][1][0], spectra[1][1][0])


def flip_flop(network: str, seed: int) -> Iterator[Item]:
    """Stable points and transitions of the two-bit flip-flop, each pulse acting on each stable point.

    Parameters
    ----------
    network : ``low rank`` or ``full rank``, the family of the fit.
    seed : of the network and of all noise.
    """
    rng = np.random.default_rng([seed, 60])
    teacher = constructed.flip_flop(seed, units=60)
    task = tasks.flip_flop(100, rng)
    r = low_rank_teacher.record(teacher, task, rng, noise_sd=PROCESS_NOISE_SD).rates
    fit = fitted(teacher.network, r, task.inputs, rng, network)
    system = system_of_fit(fit, r, task.inputs)
    found = attractors(system.field(np.zeros(2)), some_states(system.z))
    pulses = [InputEvent(f"{bit}{sign:+d}", sign * np.eye(2)[bit], 5 * DT_S) for bit in (0, 1) for sign in (1, -1)]
    edges = [edge for edge in transitions(system, found, pulses) if edge.cause != AUTONOMOUS]
    yield Item("attractors", 4, sum(attractor.solution.stability == "stable" for attractor in found))
    yield Item("transitions", 8, sum(edge.start != edge.end for edge in edges))
    yield Item("pulses without a transition", 8, sum(edge.start == edge.end for edge in edges))


def locking(network: str, seed: int) -> Iterator[Item]:
    """Ratios at which an oscillator of 1 Hz is found to be locked to a sine of random phase.

    Parameters
    ----------
    network : a key of `FREQUENCY_HZ`.
    seed : of the network and of all noise.
    """
    rng = np.random.default_rng([seed, 70])
    teacher = constructed.oscillator(seed, units=100)
    # At 1:1 the input pushes a latent; at 1:2 it changes the gains of units, and so the strength of one latent.
    m, b = teacher.m, teacher.network.b
    weights = np.sign(b) * np.tanh(m[:, 0] ** 2 - m[:, 1] ** 2) if network == "1:2" else m[:, 0]
    true = teacher.network._replace(B=INPUT_STRENGTH[network] * weights[:, None])
    time_s = np.arange(500) * DT_S
    start, own = 2 * np.pi * rng.random((2, 24))
    u = np.sin(2 * np.pi * FREQUENCY_HZ[network] * time_s + start[:, None])[..., None]
    x0 = true.b + np.column_stack([np.cos(own), np.sin(own)]) @ teacher.m.T
    r = simulate(true, x0, u, noise_sd=PROCESS_NOISE_SD, rng=rng)
    fit = fitted(true, r, u, rng, "low rank")
    system = system_of_fit(fit, r, u)
    found = attractors(system.field(np.zeros(1)), some_states(system.z))
    cycles = [entry.solution for entry in found if isinstance(entry.solution, LimitCycle)]
    yield Item("cycles", 1, len(cycles))
    if not cycles:
        return
    for lock in phase_locking(cycle_phase(cycles[0], system.z), signal_phase(u[..., 0])):
        ratio = f"{lock.network_cycles}:{lock.input_cycles}"
        yield Item(f"locked {ratio}", float(ratio == network), float(lock.locked == "yes"))
        yield Item(f"index {ratio}", np.nan, lock.locking_index)


def degeneracy(network: str, seed: int) -> Iterator[Item]:
    """Whether the fits of a recording are said to be different answers, and how much they disagree by what was varied.

    Parameters
    ----------
    network : ``published simulator``, one trial of 3 regions of 50 units, or ``20 trials``, noise-free trials of 3
        regions of 20 units.
    seed : of the network.
    """
    if network == "published simulator":
        recording, _ = recorded(teachers.published_three_region(units=50, seed=seed))
    else:
        recording, _ = recorded(teachers.multi_region(trials=25, units=20, process_noise=0.0, seed=seed))
    networks = {name: fit_model(recording, model, name).networks for name, model in COMPARED.items()}
    table = degeneracy_table(recording, networks)
    with_force = table[["model_a", "model_b"]].isin(["force, same trials"]).any(axis=1)
    verdicts = table.loc[~with_force & (table["verdict"] != ""), "verdict"]
    yield Item("degenerate", float(network == "published simulator"), float((verdicts == "degenerate").any()))
    own = table[(table["model_a"] == table["model_b"]) & (table["varied"] == "initialisation")]
    for name, of_model in own.groupby("model_a"):
        between = of_model.loc[of_model["quantity"] == "currents_between_regions", "agreement"]
        yield Item(f"initialisation, {name}", np.nan, float(1 - between.iloc[0]))
    components = variance_components(table[~with_force]).set_index("quantity")
    for quantity in ("J", "currents_between_regions", "inactivation", "dynamics"):
        for cause in ("data", "estimator"):
            yield Item(f"{quantity}, {cause}", np.nan, float(components[cause].loc[quantity]))


Experiment = Callable[[str, int], Iterator[Item]]
WORK: Mapping[tuple[str, str], Experiment] = {
    ("lyapunov", "1.8"): lyapunov,
    ("lyapunov", "2.5"): lyapunov,
    ("flip-flop", "low rank"): flip_flop,
    ("flip-flop", "full rank"): flip_flop,
    **{("locking", name): locking for name in FREQUENCY_HZ},
    ("degeneracy", "published simulator"): degeneracy,
    ("degeneracy", "20 trials"): degeneracy,
}


def measure(
    table: Path, seeds: Sequence[int], *, again: bool = False, only: Sequence[str] = EXPERIMENTS
) -> pd.DataFrame:
    """Compute the missing rows of a table (CSV), one for each number, and return all rows."""
    done = {key[:3] for key in finished(table, KEYS, again)}
    for (experiment, network), work in WORK.items():
        for seed in seeds:
            if (experiment, network, seed) in done or experiment not in only:
                continue
            if experiment == "degeneracy" and seed not in DEGENERACY_SEEDS and max(seeds) < 100:
                continue
            new = pd.DataFrame(work(network, seed)).assign(experiment=experiment, network=network, seed=seed)
            log.info("%s, %s, seed %d\n%s", experiment, network, seed, new[["item", "true", "fitted"]].to_string())
            add(table, KEYS, new[[*KEYS, "true", "fitted"]], EXPERIMENTS)
    return rows(table, KEYS)


def summary(table: pd.DataFrame) -> str:
    """What was wanted and what was measured, as a Markdown table."""
    lines: list[tuple[str, ...]] = []
    for key, of_network in table.groupby(["experiment", "network"], sort=False):
        experiment, network = map(str, key) if isinstance(key, tuple) else (str(key), "")
        wide = of_network.pivot_table(index="seed", columns="item", values="fitted")
        true = of_network.pivot_table(index="seed", columns="item", values="true")
        if experiment == "lyapunov":
            off = (wide - true)["exponent 1"].abs()
            lines.append(
                (experiment, f"gain {network}", "largest exponent times tau", "", number(true["exponent 1"].mean(), 3))
            )
            lines.append(
                (
                    experiment,
                    f"gain {network}",
                    "error, mean (worst)",
                    "<= .05",
                    f"{number(off.mean(), 3)} ({number(off.max(), 3)})",
                )
            )
            continue
        if experiment == "degeneracy":
            said, count = (wide["degenerate"] == true["degenerate"]).sum(), len(wide)
            what = "said to be degenerate" if true["degenerate"].any() else "said not to be degenerate"
            lines.append((experiment, network, what, f"{count} of {count}", f"{said} of {count}"))
            lines += [
                (experiment, network, f"disagreement (1 - r): {item}", "", number(values.mean(), 3))
                for item, values in wide.items()
                if item != "degenerate"
            ]
            continue
        counted = [column for column in wide if not str(column).startswith("index")]
        right = (wide[counted] == true[counted]).all(axis=1)
        what = (
            "4 attractors, 8 transitions, 8 pulses without" if experiment == "flip-flop" else "this ratio and no other"
        )
        if experiment == "locking" and not true[counted].filter(like="locked").to_numpy().any():
            what = "no ratio"
        lines.append((experiment, network, what, f"{len(right)} of {len(right)}", f"{right.sum()} of {len(right)}"))
    return markdown(pd.DataFrame(lines, columns=["experiment", "network", "what", "wanted", "measured"]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure what is missing, then write the table."""
    parser = command.parser("dynamics", __doc__, "dynamics.md and dynamics.csv", seeds=range(10))
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, default=EXPERIMENTS, help="experiments to run")
    options = parser.parse_args(arguments)
    out = command.folder(options)
    with command.measuring():
        numbers = measure(out / "dynamics.csv", options.seeds, again=options.again, only=options.only)
    insert(out / "dynamics.md", "dynamics", summary(numbers))


if __name__ == "__main__":
    main()
