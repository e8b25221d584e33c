"""How often a verdict is wrong: absent pathways that are called resolved, and present ones that are not.

Each recording goes through the workflow as a user's does: from a file, with three fits, a null and verdicts.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from benchmarks import command
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
ABSENT: Mapping[str, Rung] = {
    "3 of 6 pathways absent, 40 trials": Rung(trials=40),
    "3 of 6 pathways absent, 40 trials, measured .05": Rung(trials=40, how=Observation(noise_sd=0.05)),
    "3 of 6 pathways absent, 40 trials, half of 60 units": Rung(
        trials=40, teacher={"units": 60}, how=Observation(recorded_share=0.5)
    ),
    "3 of 6 pathways absent, 40 trials, a fifth of 100 units": Rung(
        trials=40, teacher={"units": 100}, how=Observation(recorded_share=0.2)
    ),
}
"""Recordings of which three pathways between regions, drawn by the seed, do not exist."""
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
REPORTED = ("target", "source", "verdict", "grade", "q_value", "predicted_r2", "seed_r", "reason_codes", "reason")
LEAST_R2_OF_A_RIGHT_CALL = 0.5
"""A resolved pathway counts as a wrong call where R2 of its current with the true current is smaller."""
log = logging.getLogger("verdicts")


def condition(name: str, seed: int) -> Rung:
    """The recording of a condition: a rung of the ladder, or a rung whose absent pathways are drawn by the seed."""
    if name not in ABSENT:
        return RUNGS[name]
    pairs = list(permutations("ABC", 2))
    chosen = np.random.default_rng(seed).permutation(len(pairs))[:3]
    rung = ABSENT[name]
    return rung._replace(teacher={**rung.teacher, "absent": [pairs[index] for index in chosen]})


def judged(case: Case, model: Model) -> pd.DataFrame:
    """Verdict of every pathway between regions and from every recorded input, and r and R2 with the true current.

    Parameters
    ----------
    case : recording.
    model : model that is fitted.

    Returns
    -------
    One row for each pathway; ``there`` says whether the pathway has any true weight.
    """
    kept, network, n = case.recorded, case.teacher.network, case.n_train
    observed = case.teacher._replace(
        rates=case.rates[:n],
        region=case.region,
        inputs=case.teacher.inputs[:n],
        trials=case.teacher.trials[:n],
        drive=np.zeros_like(case.rates[:n]),
        network=network._replace(J=network.J[np.ix_(kept, kept)], B=network.B[kept], b=network.b[kept]),
    )
    recording, _ = recorded(observed)
    networks, _ = fit(recording, model, model.estimator_name())
    current = decompose(recording, networks)
    table = judge_pathways(recording, networks)
    known = {*case.region, *(f"input:{name}" for name in case.teacher.input_name)}
    table = table[table["source"].isin(known) & (table["target"] != table["source"])]
    lines = []
    for row in table.to_dict("records"):
        true = as_recorded(true_current(case, row["target"], row["source"]), recording)
        sent = current.isel(seed=0).sel(source=row["source"])
        estimate = sent.isel(unit=np.flatnonzero(sent["region"].values == row["target"])).values
        there = bool(true.any())
        lines.append(
            {name: row[name] for name in REPORTED}
            | {
                "there": there,
                "true_r": correlation(estimate, true) if there else np.nan,
                "true_r2": r_squared(true, estimate) if there else np.nan,
            }
        )
    return pd.DataFrame(lines)


def as_recorded(values: Array, recording: xr.Dataset) -> Array:
    """Values (trial, time, unit) of a teacher on the trials of its recording; one long stretch is cut into blocks."""
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
    """Compute the missing rows of a table (CSV), one for each pathway, and return all rows.

    Parameters
    ----------
    table : path of the table.
    conditions : names in `CONDITIONS`.
    seeds : condition -> seeds of its teachers.
    model : model that is fitted.
    quick : whether recordings are tiny.
    again : whether rows that the table holds are computed anew.
    """
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
    """Markdown: false calls and missed pathways of every condition, for regions and inputs as sources."""
    kind = np.where(calls["source"].str.startswith("input:"), "inputs", "regions")
    lines = []
    for (name, estimator, sources), group in calls.groupby(["condition", "estimator", kind], sort=False):
        there, absent = group[group["there"]], group[~group["there"]]
        resolved, supported = there[there["verdict"] == "resolved"], there[there["grade"] == "supported"]
        # Rows that were computed before there were grades have none.
        n_there, n_absent = (int(rows_of["grade"].notna().sum()) for rows_of in (there, absent))
        rest = there.drop(resolved.index.union(supported.index))
        lines.append(
            {
                "recording": name,
                "estimator": estimator,
                "sources": sources,
                "pathways there": len(there),
                "resolved": _share(len(resolved), len(there)),
                "of these R2 < .5": _share(int((resolved["true_r2"] < LEAST_R2_OF_A_RIGHT_CALL).sum()), len(resolved)),
                "supported": _share(len(supported), n_there),
                "R2 of resolved": number(resolved["true_r2"].mean()),
                "R2 of supported": number(supported["true_r2"].mean()),
                "R2 of all others": number(rest["true_r2"].mean()),
                "pathways absent": len(absent),
                "absent resolved": _share(int((absent["verdict"] == "resolved").sum()), len(absent)),
                "absent supported": _share(int((absent["grade"] == "supported").sum()), n_absent),
            }
        )
    return markdown(pd.DataFrame(lines))


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.0f} %" if total else "-"


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: judge what is missing, then write the table."""
    parser = command.parser("verdicts", __doc__, "recovery.md and recovery/", quick=True)
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=CONDITIONS, metavar="CONDITION")
    parser.add_argument("--estimator", default=None, help="full-rank estimator (default: the recommended one)")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--teachers", type=int, default=3, help="teachers of each condition")
    parser.add_argument("--absent-teachers", type=int, default=34, help="teachers with 3 of 6 pathways absent")
    options = parser.parse_args(arguments)
    out = command.folder(options)
    seeds = {
        name: range(options.first, options.first + (options.absent_teachers if name in ABSENT else options.teachers))
        for name in CONDITIONS
    }
    model = Model(family="full_rank", estimator=options.estimator)
    table = out / "recovery" / "verdicts.csv"
    with command.measuring():
        calls = judge(table, options.conditions, seeds, model, quick=options.quick, again=options.again)
    insert(out / "recovery.md", "verdicts", summary(calls))


if __name__ == "__main__":
    main()
