"""p-values of the null behind the verdict against plain refits: one regression from the data for every shuffle.

The plain computation shuffles the rest of a source between trials drawn uniformly at random, solves the ridge
regression from the shuffled activity in double precision, and always takes 199 shuffles. The p-values of the package
(`curbd.pathways.shuffled_source`) come from products of moments and stop early. Both are Monte Carlo estimates of the
same number: their difference, in standard errors, has a standard deviation of 1.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks import command
from benchmarks.cases import Observation, record, training_data
from benchmarks.document import insert, markdown, number
from curbd import teachers
from curbd.network.equation import decay
from curbd.pathways.current_regression import CurrentRegression
from curbd.pathways.monte_carlo import ENOUGH_EXCEEDANCES
from curbd.pathways.shuffled_source import SHUFFLES, SPLIT_RIDGE_SHARE, pathway_null
from curbd.pathways.solved_regression import mean_of_active
from curbd.regression.transitions import regressors, targets, transitions
from curbd.storage.whole_files import whole_file

Array = np.ndarray
COUPLING = 0.02
"""Scale of the weights between regions, so small that many pathways are neither clear nor absent."""


def regression_of(seed: int, n_regions: int, units: int) -> CurrentRegression:
    """The regression of a teacher whose weak pathways have p-values of every size.

    Parameters
    ----------
    seed : of the teacher.
    n_regions, units : number of regions, and of units in every region.
    """
    names = [chr(ord("A") + index) for index in range(n_regions)]
    teacher = teachers.multi_region(
        regions=names, units=units, trials=40, samples=50, substeps=1, coupling=COUPLING, seed=seed
    )
    data = training_data(record(teacher, Observation(), 40, seed))
    pairs = transitions(data)
    assert data.tau_s is not None
    n_trials, n_bins = data.r.shape[0], data.r.shape[1] - 1
    z = regressors(pairs).reshape(n_trials, n_bins, -1)
    y = targets(pairs, decay(data.dt_s, data.tau_s, data.substeps)).reshape(n_trials, n_bins, -1)
    n_units = len(data.region)
    sources = [np.flatnonzero(data.region == region) for region in range(n_regions)]
    return CurrentRegression(
        z=z,
        y=y,
        region_of_unit=data.region,
        sources=sources + [np.array([n_units + index]) for index in range(z.shape[2] - n_units - 1)],
        penalty=np.full((n_regions, z.shape[2]), 1.0),
        train=np.arange(n_trials) % 4 > 0,
        condition=np.full(n_trials, "all"),
    )


def plain_p_values(regression: CurrentRegression, seed: int) -> Array:
    """p-values (target region, source) of refits from the data, one for every shuffle.

    Parameters
    ----------
    regression : the regression of all currents on all sources; every bin is complete.
    seed : of the shuffles.
    """
    rng = np.random.default_rng([seed, 1])
    p_value = np.empty((len(regression.penalty), len(regression.sources)))
    train = regression.train
    y, y_held_out = (regression.y[half].reshape(-1, regression.y.shape[2]) for half in (train, ~train))
    for source, columns in enumerate(regression.sources):
        others = np.setdiff1d(np.arange(regression.z.shape[2]), columns)
        z_others = regression.z[..., others]
        fitted = z_others[train].reshape(-1, len(others))
        gram = fitted.T @ fitted
        gram += SPLIT_RIDGE_SHARE * np.trace(gram) / len(gram) * np.eye(len(gram))
        shared = z_others @ np.linalg.solve(gram, fitted.T @ regression.z[train][..., columns].reshape(len(fitted), -1))
        rest = regression.z[..., columns] - shared
        errors = []
        for draw in range(SHUFFLES + 1):
            donor = np.arange(len(train))
            for half in (np.flatnonzero(train), np.flatnonzero(~train)) if draw else ():
                donor[half] = rng.permutation(half)
            z = np.concatenate([z_others, shared + rest[donor]], axis=2)
            z, z_held_out = (z[half].reshape(-1, z.shape[2]) for half in (train, ~train))
            # All penalties are equal, so that one solution serves all targets.
            W = np.linalg.solve(z.T @ z + regression.penalty[0, 0] * np.eye(z.shape[1]), z.T @ y)
            share = ((y_held_out - z_held_out @ W) ** 2).sum(0) / (y_held_out**2).sum(0)
            errors.append(mean_of_active(share.reshape(len(p_value), -1)))
        exceeded = (np.array(errors[1:]) <= errors[0]).sum(0)
        p_value[:, source] = (1 + exceeded) / (SHUFFLES + 1)
    return p_value


def compare(seeds: Sequence[int], n_regions: int, units: int) -> pd.DataFrame:
    """Both p-values of every pathway of some teachers, one row per pathway, and the seconds of both computations."""
    tables = []
    for seed in seeds:
        regression = regression_of(seed, n_regions, units)
        started = time.process_time()
        plain = plain_p_values(regression, seed)
        between = time.process_time()
        fast = pathway_null(regression, seed=seed).p_value
        seconds = {"plain_seconds": between - started, "seconds": time.process_time() - between}
        tables.append(pd.DataFrame({"seed": seed, "plain_p": plain.ravel(), "p": fast.ravel(), **seconds}))
    table = pd.concat(tables, ignore_index=True)
    p = (table["plain_p"] + table["p"]) / 2
    # The variance of a share of 199 draws, and that of a p-value from draws that stop at the tenth exceedance.
    variance = p * (1 - p) / SHUFFLES + np.maximum(p**2 * (1 - p) / ENOUGH_EXCEEDANCES, p * (1 - p) / SHUFFLES)
    table["difference_in_standard_errors"] = (table["p"] - table["plain_p"]) / np.sqrt(variance)
    return table


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """How far the p-values differ, as a table of texts."""
    z = table["difference_in_standard_errors"]
    levels = {f"p <= {level}": (table[["plain_p", "p"]] <= level).sum() for level in (0.01, 0.05, 0.2)}
    rows = {
        "pathways": str(len(table)),
        "difference in standard errors: mean, sd, largest": ", ".join(
            number(value) for value in (z.mean(), np.sqrt((z**2).mean()), z.abs().max())
        ),
        **{f"{level}: plain, here": f"{count['plain_p']}, {count['p']}" for level, count in levels.items()},
        "correlation of log p": number(float(np.corrcoef(np.log(table["plain_p"]), np.log(table["p"]))[0, 1]), 3),
    }
    return pd.DataFrame({"": list(rows), "value": list(rows.values())})


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: compare and write the tables."""
    parser = command.parser("nulls", __doc__, "scale.md and scale/", seeds=range(200, 205), again=False)
    parser.add_argument("--regions", type=int, default=6, help="number of regions")
    parser.add_argument("--units", type=int, default=8, help="units of each region")
    options = parser.parse_args(arguments)
    out = command.folder(options)
    with command.measuring():
        table = compare(options.seeds, options.regions, options.units)
    (out / "scale").mkdir(parents=True, exist_ok=True)
    with whole_file(out / "scale" / "nulls.csv") as temporary:
        table.to_csv(temporary, index=False, float_format="%.5g")
    insert(out / "scale.md", "nulls", markdown(summary(table)))


if __name__ == "__main__":
    main()
