"""Own spike history of units in population networks: refractory teachers, and teachers whose units have no history.

``python -m benchmarks.population_history SEED...`` measures the teachers of some seeds and prints the table of
``docs/populations.md``; ``python -m benchmarks.population_history`` prints it from ``docs/populations/history.csv``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from curbd.teachers.populations import PopulationTeacher, populations
from curbd.teachers.spikes import recovery
from lrfit.population_network.currents import currents
from lrfit.population_network.fit import improve, start
from lrfit.population_network.history import history_windows, with_past
from lrfit.population_network.history_choice import history_gain, is_needed
from lrfit.population_network.recording import Recording, from_arrays, split

Array = np.ndarray
OUT = Path("docs/populations/history.csv")
BIN_S = 0.003
ROUNDS = 25
REFRACTORY_TIMES_S = (0.0, 0.005, 0.01)


def rows_of(seed: int) -> list[dict[str, object]]:
    """Measure one teacher of every kind.

    Parameters
    ----------
    seed : seed of the teachers.
    """
    return [_row(seed, refractory_s) for refractory_s in REFRACTORY_TIMES_S]


def _row(seed: int, refractory_s: float) -> dict[str, object]:
    teacher = populations(
        regions=2,
        units=100,
        recorded=15,
        trials=60,
        bins=300,
        bin_s=BIN_S,
        rate_hz=15.0,
        absent=1,
        refractory_s=refractory_s,
        seed=seed,
    )
    data = from_arrays(teacher.activity, teacher.region, teacher.bin_s, teacher.inputs, teacher.condition)
    fitted, held_out = split(data)
    began = time.process_time()
    gain, error = history_gain(fitted, held_out, [2, 2], teacher.tau_s)
    seconds = time.process_time() - began
    own, r_with = _fit(teacher, with_past(data))
    _, r_without = _fit(teacher, data)
    true = np.append(recovery(refractory_s, BIN_S), np.zeros(20))
    windows = history_windows(BIN_S)
    return {
        "seed": seed,
        "refractory_s": refractory_s,
        "gain_nats": gain,
        "gain_error_nats": error,
        "gain_bits_per_spike": gain / held_out.activity.sum() / np.log(2),
        "chosen": is_needed(gain, error),
        **{f"history_{first}_{last}": own[:, w].mean() for w, (first, last) in enumerate(windows)},
        **{f"true_{first}_{last}": true[first - 1 : last].mean() for first, last in windows},
        **{f"{name}_without": value for name, value in r_without.items()},
        **{f"{name}_with": value for name, value in r_with.items()},
        "choice_cpu_s": seconds,
    }


def _fit(teacher: PopulationTeacher, data: Recording) -> tuple[Array, dict[str, float]]:
    """Fit a network, and return the history of its units and the correlation of its currents with the true currents."""
    state = improve(start(data, [2, 2], teacher.tau_s), data, ROUNDS)
    fitted = currents(state.model, data, state.paths).current
    pairs: dict[str, list[float]] = {"r_within": [], "r_across": []}
    for target, source in np.argwhere(teacher.present):
        units = teacher.region == target
        true = teacher.current[source][..., units] * teacher.gain[units]
        both = [values - values.mean((0, 1)) for values in (true, fitted[source][..., units])]
        r = np.sum(both[0] * both[1]) / np.sqrt(np.sum(both[0] ** 2) * np.sum(both[1] ** 2))
        pairs["r_within" if target == source else "r_across"].append(float(r))
    return state.model.history, {name: float(np.mean(values)) for name, values in pairs.items()}


def main(seeds: list[int]) -> None:
    """Measure the teachers of some seeds that the file lacks, and print the means over all seeds of the file."""
    done = pd.read_csv(OUT) if OUT.is_file() else pd.DataFrame({"seed": []}, dtype=int)
    for seed in seeds:
        if seed not in set(done["seed"]):
            done = pd.concat([done, pd.DataFrame(rows_of(seed))], ignore_index=True)
            done.to_csv(OUT, index=False, float_format="%.4g")
    teachers = done.drop(columns="seed").groupby("refractory_s")
    print(teachers.mean().assign(chosen=teachers["chosen"].sum(), seeds=teachers.size()).T.round(3).to_string())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.population_history", description=__doc__)
    parser.add_argument("seeds", type=int, nargs="+", help="seeds of the teachers")
    main(parser.parse_args().seeds)
