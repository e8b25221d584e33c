"""Run the ladder: every estimator on every rung, one row a fit, with tables and a figure for the documentation.

``python -m benchmarks.recovery`` goes on where it stopped; rows that are in the table are not computed again.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from benchmarks.cases import Case, training_data
from benchmarks.document import insert
from benchmarks.ladder import RAW_COUNTS, RUNGS, build
from benchmarks.recovery_report import figure, summary
from benchmarks.rows import add, finished, rows
from benchmarks.scoring import score
from curbd.estimators.fitting import FULL_RANK, Estimator
from curbd.settings.models import ESTIMATORS, Force, StateSpace
from curbd.settings.section import Section
from lrfit.estimators.fitting import LOW_RANK

SEEDS = tuple(range(20))
KEYS = ["rung", "estimator", "seed"]
log = logging.getLogger("recovery")


class Contestant(NamedTuple):
    """An estimator with its options.

    Attributes
    ----------
    rungs : what it is tried on.
    seeds : on how many teachers of a rung, at most.
    """

    estimator: Estimator
    options: Section
    rungs: Collection[str]
    seeds: int = len(SEEDS)


ALL_RATES = [rung for rung in RUNGS if rung != RAW_COUNTS]
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
QUICKER: Mapping[str, Mapping[str, object]] = {"force": {"passes": 5}, "trajectory": {"rank": 2, "steps": 5}}
"""Options of a quick run, by estimator."""
SLOW = {
    "force": 2,
    "shooting": 3,
    "shooting, from sparse": 5,
    "lrfit.estimators.block_rank": 5,
    "lrfit.estimators.reduced_rank": 5,
    "lrfit.estimators.shooting": 2,
    "lrfit.estimators.trajectory": 1,
}
"""Estimators that are tried on fewer teachers."""


def contestants(quick: bool = False) -> dict[str, Contestant]:
    """All estimators of the product with their default options, those of low rank as ``lrfit.<name>``; variants."""
    found = {}
    for family, prefix, registry in (("full_rank", "", FULL_RANK), ("low_rank", "lrfit.", LOW_RANK)):
        for name, registered in registry.items():
            changed = QUICKER.get(name, {}) if quick else {}
            options = ESTIMATORS[family][name].model_validate(changed)
            found[prefix + name] = Contestant(
                registered.estimator, options, ALL_RATES, SLOW.get(prefix + name, len(SEEDS))
            )
    for name, (estimator_name, changes, rungs) in VARIANTS.items():
        options = ESTIMATORS["full_rank"][estimator_name].model_validate(changes)
        found[name] = Contestant(FULL_RANK[estimator_name].estimator, options, rungs, SLOW.get(name, len(SEEDS)))
    return found


def fitted_row(case: Case, contestant: Contestant, seed: int) -> dict[str, float]:
    """Scores of one fit, and its wall time in seconds."""
    data, options = training_data(case), options_for(contestant, case)
    started = time.perf_counter()
    fit = contestant.estimator(data, options, np.random.default_rng(seed))
    seconds = time.perf_counter() - started
    return score(case, fit) | {"seconds": seconds}


def options_for(contestant: Contestant, case: Case) -> Section:
    """The options of a contestant on a recording.

    The passes of the published algorithm are shared out among the trials, at least 5 for each; the decay time of an
    indicator is given, as the time constant is.
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
    """Fill the table (CSV, one row a rung, estimator and seed) with what is missing, and return it.

    The file is written anew after every recording, so that a run can be stopped at any time.
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
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.recovery")
    parser.add_argument("--out", type=Path, default=None, help="folder of recovery.md and recovery/ (default: docs)")
    parser.add_argument("--rungs", nargs="+", choices=list(RUNGS), default=list(RUNGS), metavar="RUNG")
    parser.add_argument("--estimators", nargs="+", choices=list(contestants()), default=list(contestants()))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), help="seeds of the teachers")
    parser.add_argument("--again", action="store_true", help="compute rows again that are there")
    parser.add_argument("--quick", action="store_true", help="tiny recordings, to try the machinery (default: build)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(1)
    out = options.out or Path("build" if options.quick else "docs")
    (out / "recovery").mkdir(parents=True, exist_ok=True)
    seeds = options.seeds[:1] if options.quick else options.seeds
    table = climb(
        out / "recovery" / "ladder.csv",
        options.rungs,
        options.estimators,
        seeds,
        quick=options.quick,
        again=options.again,
    )
    figure(table, out / "recovery" / "ladder.png")
    insert(out / "recovery.md", "ladder", summary(table))


if __name__ == "__main__":
    main()
