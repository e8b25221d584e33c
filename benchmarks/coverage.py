"""How often a 95 % interval of the posterior holds the true current, unit by unit and bin by bin."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.cases import Case, training_data
from benchmarks.document import insert, markdown, number
from benchmarks.ladder import RAW_COUNTS, RUNGS, build
from benchmarks.recovery import KEYS, contestants, options_for
from benchmarks.rows import add, finished, rows
from benchmarks.scoring import estimated_current, inferred, true_current
from curbd.network.fit import Fit
from curbd.network.uncertainty import summed_covariance

RIGHT = ("1 trial of 1200 samples", "5 trials", "base", "40 trials", "noise 1.0", "2 of 6 pathways absent")
WRONG = (
    "noise 0, 1 trial of 1200 samples",
    "noise 0",
    "input hidden",
    "half of the units",
    "measured .05, noise .3",
    "calcium .1 s",
)
"""Recordings for which the model of the estimator is right (process noise, all units, known input), or is not."""
NOISY: Mapping[str, tuple[str, ...]] = {
    "state_space": ("measured .05", "measured .1", "measured .05, noise .3", "measured .1, noise .3"),
    "state_space, counts": (RAW_COUNTS,),
    "state_space, calcium": ("calcium .1 s", "calcium .5 s"),
}
"""State-space estimator -> recordings whose measurement noise it knows; it is measured on these alone."""
ALL = list(dict.fromkeys([*RIGHT, *WRONG, *(rung for rungs in NOISY.values() for rung in rungs)]))
NORMAL_95 = 1.959964
log = logging.getLogger("coverage")


def covered(case: Case, fit: Fit) -> tuple[float, float]:
    """Share of the true currents inside their interval, mean over pathways within and between regions.

    The current r' w of one unit has the variance r' Q r, Q the posterior covariance of its weights w; where the rates
    were inferred, with covariance C, also w' C w + tr(Q C).
    """
    if fit.posterior is None:
        return float("nan"), float("nan")
    states = inferred(case, fit)
    rates = case.rates if states is None else states.rates
    C = np.zeros((len(case.region),) * 2) if states is None else states.covariance
    within, between = list[float](), list[float]()
    regions = np.unique(case.region)
    for target in regions:
        inside = case.region == target
        covariances = [summed_covariance(fit.posterior, one) for one in np.eye(len(inside), dtype=bool)[inside]]
        for source in regions:
            columns = np.flatnonzero(case.region == source)
            r = rates[: case.n_train][..., columns]
            block = np.ix_(columns, columns)
            w = fit.network.J[np.ix_(inside, columns)]
            of_rates = ((w @ C[block]) * w).sum(1) + [(Q[block] * C[block]).sum() for Q in covariances]
            sd = np.sqrt(np.stack([((r @ Q[block]) * r).sum(-1) for Q in covariances], axis=-1) + of_rates)
            error = estimated_current(case, fit, target, source, rates) - true_current(case, target, source)
            (within if target == source else between).append(float(np.mean(np.abs(error) < NORMAL_95 * sd)))
    return float(np.mean(within)), float(np.mean(between))


def measure(
    table: Path,
    rungs: Sequence[str],
    estimators: Sequence[str],
    seeds: Sequence[int],
    *,
    quick: bool = False,
    again: bool = False,
) -> pd.DataFrame:
    """Fill the table (CSV, one row a recording, estimator and seed) with what is missing, and return it."""
    chosen = {name: contestants(quick)[name] for name in estimators}
    done = finished(table, KEYS, again)
    for rung in rungs:
        for seed in seeds:
            for name, contestant in chosen.items():
                if (rung, name, seed) in done or rung not in NOISY.get(name, RIGHT + WRONG):
                    continue
                case = build(RUNGS[rung], seed, quick)
                options = options_for(contestant, case)
                fit = contestant.estimator(training_data(case), options, np.random.default_rng(seed))
                within, between = covered(case, fit)
                log.info("%s, %s, seed %d: %.3f within, %.3f between", rung, name, seed, within, between)
                line = {"rung": rung, "estimator": name, "seed": seed, "within": within, "between": between}
                add(table, KEYS, pd.DataFrame([line]), ALL)
    return rows(table, KEYS)


def summary(shares: pd.DataFrame) -> str:
    """Markdown: mean coverage of every recording and estimator."""
    groups = shares.groupby(["rung", "estimator"], sort=False)
    means = groups[["within", "between"]].mean()
    shown = means.map(lambda share: number(share, 3)).assign(teachers=groups.size()).reset_index()
    shown.insert(
        1,
        "the model",
        [
            "right" if rung in RIGHT or name in NOISY else "wrong"
            for rung, name in zip(shown["rung"], shown["estimator"], strict=True)
        ],
    )
    return markdown(shown.rename(columns={"rung": "recording", "within": "within regions", "between": "between"}))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.coverage")
    parser.add_argument("--out", type=Path, default=None, help="folder of recovery.md and recovery/ (default: docs)")
    parser.add_argument("--estimators", nargs="+", choices=list(contestants()), default=["one_step"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4], help="seeds of the teachers")
    parser.add_argument("--again", action="store_true", help="compute again what is there")
    parser.add_argument("--quick", action="store_true", help="tiny recordings, to try the machinery (default: build)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(1)
    out = options.out or Path("build" if options.quick else "docs")
    table = out / "recovery" / "coverage.csv"
    shares = measure(table, ALL, options.estimators, options.seeds, quick=options.quick, again=options.again)
    insert(out / "recovery.md", "coverage", summary(shares))


if __name__ == "__main__":
    main()
