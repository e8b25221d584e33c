"""Whether in-silico experiments predict the response of known networks, and the effect of perturbed trials.

``python -m benchmarks.inactivation`` continues where it was stopped: rows that are in a table are not computed again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from scipy import stats

from benchmarks import command, experiments, supported_effects
from benchmarks.document import insert, markdown, number
from benchmarks.rows import add, finished, rows

ESTIMATORS = ("one_step", "sparse")
log = logging.getLogger("inactivation")


class Part(NamedTuple):
    """One table of the benchmark.

    Attributes
    ----------
    setting : name of the column that says which teacher.
    values : values of that column, in the order of the table.
    run : (value, estimator, seed, quick) -> rows.
    keys : columns that identify a row, in addition to setting, estimator and seed.
    seeds : number of teachers; None takes the seeds of the command line.
    estimators : estimators that are tried.
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
    "dense": Part(
        setting="teacher", values=list(experiments.DENSE_TEACHERS), run=experiments.dense, keys=("experiment",)
    ),
    "late": Part(
        setting="teacher", values=list(experiments.DENSE_TEACHERS)[:1], run=experiments.late, keys=("experiment",)
    ),
    "balanced": Part(setting="trials", values=[20, 2], run=experiments.balanced),
    "relay": Part(setting="teacher", values=["relay", "context only"], run=_relayed, seeds=20, estimators=["sparse"]),
    "laser": Part(setting="laser", values=list(experiments.LASER_DRIVE), run=experiments.lit, keys=("target",)),
    "taught": Part(setting="trials", values=list(experiments.TAUGHT), run=experiments.taught),
    "supported": Part(
        setting="teacher",
        values=list(supported_effects.KINDS),
        run=supported_effects.supported,
        keys=("window", "source", "target"),
        seeds=7,
    ),
    "groups": Part(
        setting="teacher",
        values=["random labels"],
        run=_exchangeable,
        keys=("perturbation", "target"),
        seeds=20,
        estimators=["one_step"],
    ),
}
"""Name of the table -> how the table is filled."""


def measure(
    folder: Path, name: str, estimators: Sequence[str], seeds: Sequence[int], *, quick: bool, again: bool
) -> pd.DataFrame:
    """Compute the missing rows of a table (CSV), and return all rows.

    Parameters
    ----------
    folder : folder of the table.
    name : name of the table, a key of `PARTS`.
    estimators : estimators that are tried.
    seeds : seeds of the teachers.
    quick : whether recordings are tiny.
    again : whether rows that the table holds are computed anew.
    """
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
        "taught": _taught,
        "supported": _supported,
        "groups": _groups,
    }
    return {name: markdown(written[name](table)) for name, table in tables.items()}


def _dense(table: pd.DataFrame) -> pd.DataFrame:
    means = table.groupby(["experiment", "teacher", "estimator"], sort=False)
    averages = means.mean(numeric_only=True).map(partial(number, digits=3))
    shown = pd.DataFrame(index=averages.index)
    for column, words in {
        "error": "error of the rms effect",
        "r2_early": "R2, first 300 ms",
        "r2_early_held_out": "R2, first 300 ms, held-out trials",
        "r2": "R2, whole window",
    }.items():
        if column in averages:
            shown[f"{words} (of the fit itself)"] = averages[column] + " (" + averages[f"fit_{column}"] + ")"
    shown["intervals that cover"], shown["their width"] = averages["covered"], averages["width"]
    return shown.assign(teachers=means.size()).reset_index()


def _balanced(table: pd.DataFrame) -> pd.DataFrame:
    means = table.groupby(["trials", "estimator"], sort=False)
    shown = means[["r", "r2", "fit_r2", "ridge_r2"]].mean().map(number).reset_index()
    shown["teachers"] = means.size().to_numpy()
    words = {"r2": "R2", "fit_r2": "R2 of the fit itself", "ridge_r2": "R2 of ridge with one penalty"}
    return shown.rename(columns=words)


def _relay(table: pd.DataFrame) -> pd.DataFrame:
    lines = []
    for (teacher, estimator), group in table.groupby(["teacher", "estimator"], sort=False):
        line = {"teacher": teacher, "estimator": estimator}
        for name, words in (("silence", "silencing A"), ("direct", "cutting A -> C"), ("first_half", "cutting A -> B")):
            line[f"{words} moves C"] = f"{(group[name] == 'supported').sum()} of {len(group)}"
            line[f"rms of {words} (true)"] = (
                f"{number(group[f'{name}_rms'].mean(), 3)} ({number(group[f'{name}_true_rms'].mean(), 3)})"
            )
        lines.append(line)
    return pd.DataFrame(lines)


def _laser(table: pd.DataFrame) -> pd.DataFrame:
    lines = []
    for (laser, estimator, target), group in table.groupby(["laser", "estimator", "target"], sort=False):
        line = {"laser": laser, "estimator": estimator, "region": target}
        for side in ("measured", "predicted"):
            line[f"{side}: an effect"] = f"{(group[f'{side}_effect'] == 'effect').sum()} of {len(group)}"
        scores = {
            "r": "r over units",
            "ceiling_r": "r that noise allows",
            "r2": "R2 of means",
            "r2_mean_effect": "R2 of means, the mean effect for every unit",
        }
        lines.append(line | {words: number(group[name].mean()) for name, words in scores.items()})
    return pd.DataFrame(lines)


def _taught(table: pd.DataFrame) -> pd.DataFrame:
    means = table.groupby(["trials", "estimator"], sort=False)
    shown = means["r2"].agg(["mean", "min", "max", "size"]).reset_index()
    for name in ("mean", "min", "max"):
        shown[name] = shown[name].map(number)
    words = {"mean": "R2 of silencing B or C", "min": "lowest", "max": "highest", "size": "teachers"}
    return shown.rename(columns=words)


def _supported(table: pd.DataFrame) -> pd.DataFrame:
    everything = table.assign(teacher="all")
    lines = []
    for (teacher, estimator), group in pd.concat([table, everything]).groupby(["teacher", "estimator"], sort=False):
        right, said = group["true_r2"] >= supported_effects.RIGHT_R2, group["verdict"] == "supported"
        both = int((right & said).sum())
        lines.append(
            {
                "teacher": teacher,
                "estimator": estimator,
                "effects": len(group),
                "of these right": int(right.sum()),
                "supported": int(said.sum()),
                "of these right, share": number(both / said.sum() if said.any() else float("nan")),
                "share of the right effects that are supported": number(
                    both / right.sum() if right.any() else float("nan")
                ),
            }
        )
    return pd.DataFrame(lines)


def _groups(table: pd.DataFrame) -> pd.DataFrame:
    lines = []
    for estimator, group in table.groupby("estimator", sort=False):
        # p-values are multiples of 1 / 40: k / 40 is the middle of its bin once half a step is taken away.
        steps = (group["p_value"] * 40).round()
        uniform = stats.kstest(steps - 0.5, stats.uniform(0, 40).cdf)
        lines.append(
            {
                "estimator": estimator,
                "p-values": len(group),
                "mean": number(group["p_value"].mean()),
                "p <= .05": f"{100 * (group['p_value'] <= 0.05).mean():.0f} %",
                "Kolmogorov-Smirnov p": number(float(uniform.pvalue), 3),
            }
        )
    return pd.DataFrame(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure what is missing, then write the tables."""
    parser = command.parser("inactivation", __doc__, "inactivation.md and inactivation/", seeds=range(5), quick=True)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART")
    parser.add_argument("--estimators", nargs="+", choices=ESTIMATORS, default=list(ESTIMATORS))
    options = parser.parse_args(arguments)
    out = command.folder(options)
    seeds = options.seeds[:1] if options.quick else options.seeds
    with command.measuring():
        tables = {
            name: measure(
                out / "inactivation", name, options.estimators, seeds, quick=options.quick, again=options.again
            )
            for name in options.parts
        }
    for name, text in summaries(tables).items():
        insert(out / "inactivation.md", name, text)


if __name__ == "__main__":
    main()
