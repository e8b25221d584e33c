"""How often a verdict is wrong: pathways that are not there and called resolved, pathways that are and called not.

Each recording goes through the product as a user's would: from a file, with three fits, its null and its verdicts.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr

from benchmarks.cases import Case, Observation
from benchmarks.document import insert, markdown, number
from benchmarks.ladder import RUNGS, Rung, build
from benchmarks.recorded import recorded
from benchmarks.rows import add, finished, rows
from benchmarks.scoring import correlation, true_current
from curbd.estimators.fitting import fit
from curbd.pathways.currents import decompose
from curbd.pathways.judge import judge as judge_pathways
from curbd.scores.r_squared import r_squared
from curbd.settings.models import Model

Array = np.ndarray
ABSENT: Mapping[str, Observation] = {
    "3 of 6 pathways absent, 40 trials": Observation(),
    "3 of 6 pathways absent, 40 trials, measured .05": Observation(noise_sd=0.05),
}
CONDITIONS = (
    *ABSENT,
    "40 trials",
    "base",
    "5 trials",
    "1 trial of 1200 samples",
    "noise 1.0",
    "coupling .05",
    "input hidden",
    "noise 0, 1 trial of 1200 samples",
    "half of the units",
    "measured .05, noise .3",
    "calcium .1 s",
    "published, coupling .2",
    "published, coupling .02",
)
KEYS = ["condition", "estimator", "seed", "target", "source"]
WRONG_R2 = 0.5
"""A pathway that is there and called resolved is a false call where its current has a smaller R2 with the true one."""
log = logging.getLogger("verdicts")


def condition(name: str, seed: int) -> Rung:
    """The recording behind a condition: a rung of the ladder, or one with absent pathways drawn by seed."""
    if name not in ABSENT:
        return RUNGS[name]
    pairs = list(permutations("ABC", 2))
    chosen = np.random.default_rng(seed).permutation(len(pairs))[:3]
    return Rung(trials=40, teacher={"absent": [pairs[place] for place in chosen]}, how=ABSENT[name])


def judged(case: Case, model: Model) -> pd.DataFrame:
    """One row a pathway between regions: verdict, reason, whether it is there, and the true r and R2 of its current."""
    kept, network, n = case.recorded, case.teacher.network, case.n_train
    seen = case.teacher._replace(
        rates=case.rates[:n],
        region=case.region,
        inputs=case.teacher.inputs[:n],
        trials=case.teacher.trials[:n],
        drive=np.zeros_like(case.rates[:n]),
        network=network._replace(J=network.J[np.ix_(kept, kept)], B=network.B[kept], b=network.b[kept]),
    )
    recording, _ = recorded(seen)
    networks, _ = fit(recording, model.estimator_name(), model)
    current = decompose(recording, networks)
    table = judge_pathways(recording, networks)
    table = table[~table["source"].str.startswith("input:") & (table["target"] != table["source"])]
    lines = []
    for row in table.to_dict("records"):
        true = as_recorded(true_current(case, row["target"], row["source"]), recording)
        mine = current.isel(seed=0).sel(source=row["source"])
        estimate = mine.isel(unit=np.flatnonzero(mine["region"].values == row["target"])).values
        there = bool(true.any())
        lines.append(
            {name: row[name] for name in ("target", "source", "verdict", "q_value", "predicted_r2", "seed_r", "reason")}
            | {
                "there": there,
                "true_r": correlation(estimate, true) if there else np.nan,
                "true_r2": r_squared(true, estimate) if there else np.nan,
            }
        )
    return pd.DataFrame(lines)


def as_recorded(values: Array, recording: xr.Dataset) -> Array:
    """Values (trial, time, unit) of the teacher as the recording has them: a single stretch is cut into blocks."""
    if recording.attrs["stretches"] == "trials":
        return values
    seconds = recording["start_s"].values[:, None] + recording["time"].values
    return values[0, np.rint(seconds / recording.attrs["dt_s"]).astype(int)]


def judge(
    table: Path,
    conditions: Sequence[str],
    seeds: Mapping[str, Sequence[int]],
    model: Model,
    *,
    quick: bool = False,
    again: bool = False,
) -> pd.DataFrame:
    """Fill the table (CSV, one row a pathway) with what is missing, and return it."""
    done = finished(table, KEYS[:3], again)
    for name in conditions:
        for seed in seeds[name]:
            if (name, model.estimator_name(), seed) in done:
                continue
            new = judged(build(condition(name, seed), seed, quick), model)
            new = new.assign(condition=name, estimator=model.estimator_name(), seed=seed)
            log.info("%s, seed %d: %s", name, seed, new["verdict"].value_counts().to_dict())
            add(table, KEYS, new[[*KEYS, *new.columns.drop(KEYS)]], CONDITIONS)
    return rows(table, KEYS)


def summary(calls: pd.DataFrame) -> str:
    """Markdown: false and missed calls of every condition."""
    lines = []
    for (estimator, name), mine in calls.groupby(["estimator", "condition"], sort=False):
        there, absent = mine[mine["there"]], mine[~mine["there"]]
        resolved, refused = there[there["verdict"] == "resolved"], there[there["verdict"] != "resolved"]
        lines.append(
            {
                "recording": name,
                "estimator": estimator,
                "pathways there": len(there),
                "called resolved": _share(len(resolved), len(there)),
                "of these R2 < .5": _share(int((resolved["true_r2"] < WRONG_R2).sum()), len(resolved)),
                "R2 of resolved": number(resolved["true_r2"].mean()),
                "R2 of unresolved": number(refused["true_r2"].mean()),
                "pathways absent": len(absent),
                "absent called resolved": _share(int((absent["verdict"] == "resolved").sum()), len(absent)),
            }
        )
    return markdown(pd.DataFrame(lines))


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: judge what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.verdicts")
    parser.add_argument("--out", type=Path, default=None, help="folder of recovery.md and recovery/ (default: docs)")
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=CONDITIONS, metavar="CONDITION")
    parser.add_argument("--estimator", default=None, help="full-rank estimator (default: the recommended one)")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--teachers", type=int, default=3, help="teachers a condition")
    parser.add_argument("--absent-teachers", type=int, default=34, help="teachers with absent pathways, 3 of 6 each")
    parser.add_argument("--again", action="store_true", help="compute again what is there")
    parser.add_argument("--quick", action="store_true", help="tiny recordings, to try the machinery (default: build)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(1)
    out = options.out or Path("build" if options.quick else "docs")
    seeds = {
        name: range(options.first, options.first + (options.absent_teachers if name in ABSENT else options.teachers))
        for name in CONDITIONS
    }
    model = Model(family="full_rank", estimator=options.estimator)
    table = out / "recovery" / "verdicts.csv"
    calls = judge(table, options.conditions, seeds, model, quick=options.quick, again=options.again)
    insert(out / "recovery.md", "verdicts", summary(calls))


if __name__ == "__main__":
    main()
