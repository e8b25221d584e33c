"""Results that must not move: what is computed, of which teachers, with which models.

``python -m tests.unchanged.recipe`` writes the tables anew into ``tests/unchanged/stored/``. Do this only after
`RESULTS_VERSION` was raised, in the commit that changes the results and says why.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr

import curbd
import lrfit
from curbd import teachers
from curbd.inactivation.experiments import run_experiments
from curbd.inactivation.tabulate import inactivation_table
from curbd.network.file import network_of
from curbd.pathways.currents import current_table
from curbd.pathways.judge import judge
from curbd.pathways.null_table import null_table
from curbd.scores.score import score
from curbd.settings.experiments import ExperimentSettings, Inactivation
from curbd.settings.models import Model
from curbd.teachers import Teacher

STORED = Path(__file__).parent / "stored"
TABLES = ("fits", "networks", "pathways", "nulls", "currents", "inactivations")
DIGITS = "%.12g"
SMALLEST_SIZE = 1e-9
"""Smaller currents, effects and statistics are sums of rounding errors."""


def dense() -> Teacher:
    """Full rank, with two known inputs, one of them a step; one pathway is absent."""
    return teachers.multi_region(units=6, trials=10, samples=60, substeps=2, absent=[("A", "C")], seed=11)


def noisy_low_rank() -> Teacher:
    """Rank two in each region, observed with measurement noise, one input hidden from the observer."""
    return teachers.multi_region(
        units=(5, 7, 6), trials=12, samples=50, rank=2, measurement_noise=0.05, inputs="hidden", seed=12
    )


TEACHERS: dict[str, Callable[[], Teacher]] = {"dense": dense, "noisy_low_rank": noisy_low_rank}

_MODELS: dict[str, dict[str, Any]] = {
    "one_step": {},
    "one_step_hidden": {"estimator": "one_step", "options": {"hidden_inputs": 1}},
    "sparse": {},
    "force": {"options": {"passes": 3}},
    "shooting": {"options": {"passes": 4}},
    "state_space": {"options": {"rounds": 4}},
    "reduced_rank": {"family": "low_rank"},
    "block_rank": {"family": "low_rank"},
    "low_rank_shooting": {"family": "low_rank", "estimator": "shooting", "options": {"passes": 4}},
    "trajectory": {"family": "low_rank", "options": {"rank": 2, "steps": 30}},
}


def models() -> dict[str, Model]:
    """Every estimator, two seeds each."""
    shared = {"family": "full_rank", "seeds": [0, 1], "tau_s": 0.1}
    return {name: Model(**(shared | {"estimator": name} | changes)) for name, changes in _MODELS.items()}


def experiments() -> dict[str, Inactivation]:
    """One of each kind that every network allows."""
    return {
        "silence": Inactivation(kind="region", region="A", strength=[0.5, 1.0]),
        "cut": Inactivation(kind="pathway", source="A", target="B", start_s=0.1, stop_s=0.3),
    }


def compute(teacher: str, model: str) -> dict[str, pd.DataFrame]:
    """The tables of one model of one teacher, with the number of threads that torch has now.

    Sums in another order have other last digits, and the number of threads decides their order: the stored tables were
    made with one thread.

    Returns
    -------
    fits, networks (the fitted weights, a digest for each pair of regions), pathways, nulls, currents (means over time)
    and inactivations.
    """
    settings = models()[model]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{teacher}.h5"
        teachers.write_hdf5(TEACHERS[teacher](), path)
        session = curbd.ingest_file(path)
        recording, truth = session.recording, session.truth
    networks, seconds = (curbd.fit if settings.family == "full_rank" else lrfit.fit)(recording, settings, model)
    pathways = judge(recording, networks, truth)
    outcome = run_experiments(
        recording, networks, experiments(), truth, settings=ExperimentSettings(groups=9, posterior_draws=5)
    )
    tables = {
        "fits": score(recording, networks, seconds, truth).fits.drop(columns="seconds"),
        "networks": weight_table(networks),
        "pathways": pathways,
        "nulls": null_table(recording, networks),
        "currents": over_time(current_table(recording, networks)),
        "inactivations": inactivation_table(outcome, pathways),
    }
    return {name: comparable(table) for name, table in tables.items()}


def comparable(table: pd.DataFrame) -> pd.DataFrame:
    """The columns and rows of a table that do not hang on rounding errors or on wording.

    Reasons are sentences, whose numbers stand in columns of their own. Where nothing is sent, ratios and ranks of what
    is sent are those of rounding errors, and so are the q values of a table that holds such rows.
    """
    table = table.drop(columns=["reason", "model", "q_value"], errors="ignore")
    size = next((name for name in ("effect_rms", "statistic", "rms") if name in table), None)
    return table if size is None else table[table[size].abs() > SMALLEST_SIZE].reset_index(drop=True)


def weight_table(networks: xr.Dataset) -> pd.DataFrame:
    """Sum, sum of squares and a random projection of the weights of every pair of regions, and of the inputs."""
    rows = []
    for seed in range(networks.sizes["seed"]):
        network = network_of(networks, seed)
        region = networks["target_region"].values
        blocks = {
            f"J {target} {source}": network.J[np.ix_(region == target, region == source)]
            for target in np.unique(region)
            for source in np.unique(region)
        }
        for block, values in (blocks | {"B": network.B, "b": network.b, "tau_s": np.array([network.tau_s])}).items():
            projection = np.cos(np.arange(values.size) ** 2)
            rows.append(
                {
                    "seed": seed,
                    "block": block,
                    "sum": values.sum(),
                    "squares": (values**2).sum(),
                    "projection": values.ravel() @ projection,
                }
            )
    return pd.DataFrame(rows)


def over_time(currents: pd.DataFrame) -> pd.DataFrame:
    """Means over time of the table ``currents``, a row for each seed, pathway, sign and condition."""
    keys = ["seed", "target", "source", "sign", "condition"]
    return currents.groupby(keys)[["mean", "rms", "ci_low", "ci_high"]].mean().reset_index()


def as_stored(table: pd.DataFrame) -> pd.DataFrame:
    """A table as it is read after it was written."""
    text = table.to_csv(index=False, float_format=DIGITS, lineterminator="\n")
    return pd.read_csv(io.StringIO(text))


def main() -> None:
    """Write every stored table anew."""
    torch.set_num_threads(1)
    STORED.mkdir(exist_ok=True)
    for teacher in TEACHERS:
        tables: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
        for model in models():
            for name, table in compute(teacher, model).items():
                tables[name].append(table.assign(model=model))
        for name, parts in tables.items():
            whole = pd.concat(parts, ignore_index=True)
            whole.to_csv(STORED / f"{teacher}_{name}.csv", index=False, float_format=DIGITS, lineterminator="\n")


if __name__ == "__main__":
    main()
