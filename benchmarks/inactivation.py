"""Whether in-silico experiments come true: on networks whose real response is known, and against real perturbations.

``python -m benchmarks.inactivation`` goes on where it stopped; rows that are in the tables are not computed again.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from scipy import stats

from benchmarks import experiments
from benchmarks.document import insert, markdown, number
from benchmarks.rows import add, finished, rows

ESTIMATORS = ("one_step", "sparse")
log = logging.getLogger("inactivation")


class Part(NamedTuple):
    """One table of the benchmark.

    Attributes
    ----------
    setting : name of the column that says which teacher; its values in the order of the table.
    run : (setting, estimator, seed, quick) -> rows.
    keys : further columns that tell rows apart, beside setting, estimator and seed.
    seeds : on how many teachers; None takes those of the command line.
    estimators : that are tried on it.
    """

    setting: str
    values: Sequence[str | int]
    run: Callable[..., pd.DataFrame]
    keys: tuple[str, ...] = ()
    seeds: int | None = None
    estimators: Sequence[str] = ESTIMATORS


def _relayed(name: str, estimator: str, seed: int, quick: bool) -> pd.DataFrame:
    return experiments.relayed(name == "relay", estimator, seed, quick)


def _exchangeable(name: str, estimator: str, seed: int, quick: bool) -> pd.DataFrame:
    return experiments.exchangeable(estimator, seed, quick).assign(teacher=name)


PARTS: Mapping[str, Part] = {
    "dense": Part("teacher", list(experiments.DENSE), experiments.dense, ("experiment",)),
    "late": Part("teacher", list(experiments.DENSE)[:1], experiments.late, ("experiment",)),
    "balanced": Part("trials", [20, 2], experiments.balanced),
    "relay": Part("teacher", ["relay", "context only"], _relayed, (), 20, ["sparse"]),
    "laser": Part("laser", list(experiments.LASERS), experiments.lit, ("target",)),
    "groups": Part("teacher", ["random labels"], _exchangeable, ("perturbation", "target"), 20, ["one_step"]),
}
"""Name of the table -> how it is filled."""


def measure(
    folder: Path, name: str, estimators: Sequence[str], seeds: Sequence[int], *, quick: bool, again: bool
) -> pd.DataFrame:
    """Fill a table (CSV) with what is missing, and return it."""
    part, table = PARTS[name], folder / f"{name}.csv"
    keys = [part.setting, "estimator", "seed"]
    done = finished(table, keys, again)
    chosen = seeds if part.seeds is None or quick else range(part.seeds)
    for value, estimator, seed in product(part.values, estimators, chosen):
        if estimator not in part.estimators or (value, estimator, seed) in done:
            continue
        new = part.run(value, estimator, seed, quick)
        log.info("%s: %s, %s, seed %d", name, value, estimator, seed)
        add(table, [*keys, *part.keys], new[[*keys, *new.columns.drop(keys)]], part.values)
    return rows(table, keys)


def summaries(tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """Markdown of every table, means over teachers."""
    written = {
        "dense": _dense,
        "late": _dense,
        "balanced": _balanced,
        "relay": _relay,
        "laser": _laser,
        "groups": _groups,
    }
    return {name: markdown(written[name](table)) for name, table in tables.items()}


def _dense(table: pd.DataFrame) -> pd.DataFrame:
    means = table.groupby(["experiment", "teacher", "estimator"], sort=False)
    known = means.mean(numeric_only=True).map(partial(number, digits=3))
    shown = pd.DataFrame(index=known.index)
    for column, words in {
        "error": "error of the rms effect",
        "r2_early": "R2, first 300 ms",
        "r2_early_held_out": "R2, first 300 ms, held-out trials",
        "r2": "R2, whole window",
    }.items():
        if column in known:
            shown[f"{words} (of the fit itself)"] = known[column] + " (" + known[f"fit_{column}"] + ")"
    shown["intervals that cover"], shown["their width"] = known["covered"], known["width"]
    return shown.assign(teachers=means.size()).reset_index()


def _balanced(table: pd.DataFrame) -> pd.DataFrame:
    means = table.groupby(["trials", "estimator"], sort=False)
    shown = means[["r", "r2", "fit_r2", "ridge_r2"]].mean().map(number).reset_index()
    shown["teachers"] = means.size().to_numpy()
    words = {"r2": "R2", "fit_r2": "R2 of the fit itself", "ridge_r2": "R2 of ridge with one penalty"}
    return shown.rename(columns=words)


def _relay(table: pd.DataFrame) -> pd.DataFrame:
    lines = []
    for (teacher, estimator), mine in table.groupby(["teacher", "estimator"], sort=False):
        line = {"teacher": teacher, "estimator": estimator}
        for name, words in (("silence", "silencing A"), ("direct", "cutting A -> C"), ("first_half", "cutting A -> B")):
            line[f"{words} moves C"] = f"{(mine[name] == 'supported').sum()} of {len(mine)}"
            line[f"rms of {words} (true)"] = (
                f"{number(mine[f'{name}_rms'].mean(), 3)} ({number(mine[f'{name}_true_rms'].mean(), 3)})"
            )
        lines.append(line)
    return pd.DataFrame(lines)


def _laser(table: pd.DataFrame) -> pd.DataFrame:
    lines = []
    for (laser, estimator, target), mine in table.groupby(["laser", "estimator", "target"], sort=False):
        line = {"laser": laser, "estimator": estimator, "region": target}
        for side in ("measured", "predicted"):
            line[f"{side}: an effect"] = f"{(mine[f'{side}_effect'] == 'effect').sum()} of {len(mine)}"
        scores = {
            "r": "r over units",
            "ceiling_r": "r that noise allows",
            "r2": "R2",
            "r2_mean_effect": "R2 of the mean effect",
        }
        lines.append(line | {words: number(mine[name].mean()) for name, words in scores.items()})
    return pd.DataFrame(lines)


def _groups(table: pd.DataFrame) -> pd.DataFrame:
    lines = []
    for estimator, mine in table.groupby("estimator", sort=False):
        # The smallest p-value is 1 / 40: k / 40 stands for what lies between (k - 1) / 40 and k / 40.
        steps = (mine["p_value"] * 40).round()
        uniform = stats.kstest(steps - 0.5, stats.uniform(0, 40).cdf)
        lines.append(
            {
                "estimator": estimator,
                "p-values": len(mine),
                "mean": number(mine["p_value"].mean()),
                "p <= .05": f"{100 * (mine['p_value'] <= 0.05).mean():.0f} %",
                "Kolmogorov-Smirnov p": number(float(uniform.pvalue), 3),
            }
        )
    return pd.DataFrame(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.inactivation")
    parser.add_argument("--out", type=Path, default=None, help="folder of inactivation.md (default: docs)")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART")
    parser.add_argument("--estimators", nargs="+", choices=ESTIMATORS, default=list(ESTIMATORS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4], help="seeds of the teachers")
    parser.add_argument("--again", action="store_true", help="compute rows again that are there")
    parser.add_argument("--quick", action="store_true", help="tiny recordings, to try the machinery (default: build)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(1)
    out = options.out or Path("build" if options.quick else "docs")
    (out / "inactivation").mkdir(parents=True, exist_ok=True)
    seeds = options.seeds[:1] if options.quick else options.seeds
    tables = {
        name: measure(out / "inactivation", name, options.estimators, seeds, quick=options.quick, again=options.again)
        for name in options.parts
    }
    for name, text in summaries(tables).items():
        insert(out / "inactivation.md", name, text)


if __name__ == "__main__":
    main()
