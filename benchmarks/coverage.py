"""How often a 95 % interval of the posterior holds the true current, unit by unit and bin by bin."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import command
from benchmarks.cases import Case, training_data
from benchmarks.document import insert, markdown, number
from benchmarks.ladder import RAW_COUNTS, RUNGS, build
from benchmarks.recovery import KEYS, contestants, options_for
from benchmarks.rows import add, finished, rows
from benchmarks.scoring import estimated_current, inferred, true_current
from curbd.network.fit import Fit
from curbd.network.uncertainty import summed_covariance

RIGHT_MODEL = ("1 trial of 1200 samples", "5 trials", "base", "40 trials", "noise 1.0", "2 of 6 pathways absent")
WRONG_MODEL = (
    "noise 0, 1 trial of 1200 samples",
    "noise 0",
    "input hidden",
    "half of the units",
    "measured .05, noise .3",
    "calcium .1 s",
)
"""Recordings that meet the assumptions of the regression (process noise, all units, known inputs), and others that
violate an assumption."""
KNOWN_NOISE: Mapping[str, tuple[str, ...]] = {
    "state_space": ("measured .05", "measured .1", "measured .05, noise .3", "measured .1, noise .3"),
    "state_space, counts": (RAW_COUNTS,),
    "state_space, calcium": ("calcium .1 s", "calcium .5 s"),
}
"""State-space estimator -> recordings with the measurement noise that this estimator models; only these are used."""
RECORDINGS = list(dict.fromkeys([*RIGHT_MODEL, *WRONG_MODEL, *chain.from_iterable(KNOWN_NOISE.values())]))
NORMAL_975_QUANTILE = 1.959964
log = logging.getLogger("coverage")


def covered(case: Case, fit: Fit) -> tuple[float, float]:
    """Share of the true currents that lie inside their 95 % interval, mean over pathways within and between regions.

    The current r' w to one unit has the variance r' Q r, where Q is the posterior covariance of the unit's weights w.
    Rates that were inferred with covariance C add w' C w + tr(Q C).
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
        covariances = [summed_covariance(fit.posterior, unit) for unit in np.eye(len(inside), dtype=bool)[inside]]
        for source in regions:
            columns = np.flatnonzero(case.region == source)
            r = rates[: case.n_train][..., columns]
            block = np.ix_(columns, columns)
            w = fit.network.J[np.ix_(inside, columns)]
            of_rates = ((w @ C[block]) * w).sum(1) + [(Q[block] * C[block]).sum() for Q in covariances]
            sd = np.sqrt(np.stack([((r @ Q[block]) * r).sum(-1) for Q in covariances], axis=-1) + of_rates)
            error = estimated_current(case, fit, target, source, rates) - true_current(case, target, source)
            (within if target == source else between).append(float(np.mean(np.abs(error) < NORMAL_975_QUANTILE * sd)))
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
    """Compute the missing rows of a table (CSV), one for each recording, estimator and seed, and return all rows.

    Parameters
    ----------
    table : path of the table.
    rungs : recordings, names in `benchmarks.ladder.RUNGS`.
    estimators : names in `benchmarks.recovery.contestants`.
    seeds : seeds of the teachers.
    quick : whether recordings are tiny.
    again : whether rows that the table holds are computed anew.
    """
    chosen = {name: contestants(quick)[name] for name in estimators}
    done = finished(table, KEYS, again)
    for rung in rungs:
        for seed in seeds:
            for name, contestant in chosen.items():
                if (rung, name, seed) in done or rung not in KNOWN_NOISE.get(name, RIGHT_MODEL + WRONG_MODEL):
                    continue
                case = build(RUNGS[rung], seed, quick)
                options = options_for(contestant, case)
                fit = contestant.estimator(training_data(case), options, np.random.default_rng(seed))
                within, between = covered(case, fit)
                log.info("%s, %s, seed %d: %.3f within, %.3f between", rung, name, seed, within, between)
                line = {"rung": rung, "estimator": name, "seed": seed, "within": within, "between": between}
                add(table, KEYS, pd.DataFrame([line]), RECORDINGS)
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
            "right" if rung in RIGHT_MODEL or name in KNOWN_NOISE else "wrong"
            for rung, name in zip(shown["rung"], shown["estimator"], strict=True)
        ],
    )
    return markdown(shown.rename(columns={"rung": "recording", "within": "within regions", "between": "between"}))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure what is missing, then write the table."""
    parser = command.parser("coverage", __doc__, "recovery.md and recovery/", seeds=range(5), quick=True)
    parser.add_argument("--estimators", nargs="+", choices=list(contestants()), default=["one_step"])
    options = parser.parse_args(arguments)
    out = command.folder(options)
    table = out / "recovery" / "coverage.csv"
    with command.measuring():
        shares = measure(table, RECORDINGS, options.estimators, options.seeds, quick=options.quick, again=options.again)
    insert(out / "recovery.md", "coverage", summary(shares))


if __name__ == "__main__":
    main()
