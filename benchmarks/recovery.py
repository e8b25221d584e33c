"""The ladder: every estimator on every recording, with tables and a figure for the documentation.

``python -m benchmarks.recovery`` continues where it was stopped: rows that are in the table are not computed again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks import command
from benchmarks.cases import Case, training_data
from benchmarks.document import insert
from benchmarks.ladder import RAW_COUNTS, RUNGS, build
from benchmarks.recovery_report import figure, summary
from benchmarks.rows import add, finished, rows
from benchmarks.scoring import score
from curbd.estimators.fitting import FULL_RANK, Estimator
from curbd.settings.estimators import ESTIMATORS, Force, StateSpace
from curbd.settings.section import Section
from lrfit.estimators.fitting import LOW_RANK

SEEDS = tuple(range(20))
KEYS = ["rung", "estimator", "seed"]
log = logging.getLogger("recovery")


class Contestant(NamedTuple):
    """An estimator with its options.

    Attributes
    ----------
    estimator : the estimator.
    options : its options.
    rungs : recordings on which the estimator is tried, names in `benchmarks.ladder.RUNGS`.
    seeds : largest number of teachers of each rung.
    """

    estimator: Estimator
    options: Section
    rungs: Collection[str]
    seeds: int = len(SEEDS)


RATE_RUNGS = [rung for rung in RUNGS if rung != RAW_COUNTS]
VARIANTS: Mapping[str, tuple[str, Mapping[str, object], Collection[str]]] = {
    "sparse, hidden inputs": (
        "sparse",
        {"hidden_inputs": "auto"},
        ["base", "input hidden", "no input"],
    ),
    "shooting, from sparse": ("shooting", {"start": "sparse"}, ["published, coupling .2"]),
    "state_space, counts": ("state_space", {"noise": "counts"}, [RAW_COUNTS]),
    "state_space, calcium": (
        "state_space",
        # The decay time is that of each recording.
        {"noise": "calcium", "indicator_s": 0.1},
        [rung for rung in RUNGS if RUNGS[rung].how.indicator_s],
    ),
}
"""Name -> full-rank estimator, options other than the defaults, and the rungs where they matter."""
QUICK_OPTIONS: Mapping[str, Mapping[str, object]] = {"force": {"passes": 5}, "trajectory": {"rank": 2, "steps": 5}}
"""Options of a quick run, by estimator."""
FEWER_TEACHERS: Mapping[str, int] = {
    "force": 2,
    "shooting": 3,
    "shooting, from sparse": 5,
    "lrfit.estimators.block_rank": 5,
    "lrfit.estimators.reduced_rank": 5,
    "lrfit.estimators.shooting": 2,
    "lrfit.estimators.trajectory": 1,
}
"""Slow estimator -> number of teachers of each rung."""


def contestants(quick: bool = False) -> dict[str, Contestant]:
    """All estimators with their default options, low-rank ones as ``lrfit.<name>``, and the variants."""
    entries = {}
    for family, prefix, registry in (("full_rank", "", FULL_RANK), ("low_rank", "lrfit.", LOW_RANK)):
        for name, registered in registry.items():
            changed = QUICK_OPTIONS.get(name, {}) if quick else {}
            options = ESTIMATORS[family][name].model_validate(changed)
            entries[prefix + name] = Contestant(
                registered.estimator, options, RATE_RUNGS, FEWER_TEACHERS.get(prefix + name, len(SEEDS))
            )
    for name, (estimator_name, changes, rungs) in VARIANTS.items():
        options = ESTIMATORS["full_rank"][estimator_name].model_validate(changes)
        entries[name] = Contestant(
            FULL_RANK[estimator_name].estimator, options, rungs, FEWER_TEACHERS.get(name, len(SEEDS))
        )
    return entries


def fitted_row(case: Case, contestant: Contestant, seed: int) -> dict[str, float]:
    """Scores of one fit (see `benchmarks.scoring.score`), and its wall time ``seconds``.

    Parameters
    ----------
    case : recording.
    contestant : estimator and options.
    seed : of the estimator.
    """
    data, options = training_data(case), options_for(contestant, case)
    started = time.perf_counter()
    fit = contestant.estimator(data, options, np.random.default_rng(seed))
    seconds = time.perf_counter() - started
    return score(case, fit) | {"seconds": seconds}


def options_for(contestant: Contestant, case: Case) -> Section:
    """The options of an estimator on one recording.

    The number of passes of the published algorithm is divided by the number of trials, to 5 at least. The decay time of
    an indicator is given, as the time constant is.
    """
    options = contestant.options
    if isinstance(options, StateSpace) and options.noise == "calcium":
        return options.model_copy(update={"indicator_s": case.indicator_s})
    if isinstance(options, Force):
        return options.model_copy(update={"passes": max(options.passes // case.n_train, 5)})
    return options


def climb(
    table: Path,
    rungs: Sequence[str],
    estimators: Sequence[str],
    seeds: Sequence[int],
    *,
    quick: bool = False,
    again: bool = False,
) -> pd.DataFrame:
    """Compute the missing rows of a table (CSV), one for each rung, estimator and seed, and return all rows.

    The file is written after every recording, so that a run can be stopped at any time.

    Parameters
    ----------
    table : path of the table.
    rungs : names in `benchmarks.ladder.RUNGS`.
    estimators : names in `contestants`.
    seeds : seeds of the teachers.
    quick : whether recordings are tiny and options quick.
    again : whether rows that the table holds are computed anew.
    """
    chosen = {name: contestants(quick)[name] for name in estimators}
    done = finished(table, KEYS, again)
    for rung in rungs:
        for seed in seeds:
            missing = [
                name
                for name, contestant in chosen.items()
                if rung in contestant.rungs and (rung, name, seed) not in done and seed in seeds[: contestant.seeds]
            ]
            if not missing:
                continue
            case = build(RUNGS[rung], seed, quick)
            lines = []
            for name in missing:
                lines.append({"rung": rung, "estimator": name, "seed": seed} | fitted_row(case, chosen[name], seed))
                log.info("%s, %s, seed %d: cross r %.3f", rung, name, seed, lines[-1]["cross_r"])
            add(table, KEYS, pd.DataFrame(lines), list(RUNGS))
    return rows(table, KEYS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: run what is missing, then write the tables and the figure."""
    parser = command.parser("recovery", __doc__, "recovery.md and recovery/", seeds=SEEDS, quick=True)
    parser.add_argument("--rungs", nargs="+", choices=list(RUNGS), default=list(RUNGS), metavar="RUNG")
    parser.add_argument("--estimators", nargs="+", choices=list(contestants()), default=list(contestants()))
    options = parser.parse_args(arguments)
    out = command.folder(options)
    with command.measuring():
        table = climb(
            out / "recovery" / "ladder.csv",
            options.rungs,
            options.estimators,
            options.seeds[:1] if options.quick else options.seeds,
            quick=options.quick,
            again=options.again,
        )
    figure(table, out / "recovery" / "ladder.png")
    insert(out / "recovery.md", "ladder", summary(table))


if __name__ == "__main__":
    main()
