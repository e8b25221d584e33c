"""Silencing regions of teachers of full and of low rank: which estimator predicts the true effects?

The question behind it is whether an estimator that is better on the one trained network should be the default.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import curbd
from benchmarks.independent.answers import Answer
from benchmarks.independent.networks import MODELS, fitted
from benchmarks.recorded import recorded
from curbd import teachers
from curbd.inactivation.tabulate import unit_table
from curbd.network.truth import correlation

UNITS_R = "true effects of silencing, r over units, mean over effects"
UNITS_R2 = "true effects of silencing, R2 over all units"
SEEDS = range(10)
LEAST_EFFECT_SHARE = 0.1
"""Only true effects above this share of the largest one have a pattern over units."""


def answers(files: list[Path]) -> Iterator[Answer]:
    """Predict the effects of silencing every region of teachers whose effects are known."""
    for kind, rank in (("full rank", None), ("rank 2", 2)):
        for seed in SEEDS:
            teacher = teachers.multi_region(
                units=20,
                trials=25,
                samples=150,
                substeps=1,
                gain=1.2,
                absent=[("B", "A"), ("C", "B")],
                rank=rank,
                seed=seed,
            )
            recording, truth = recorded(teacher)
            region = pd.Series(recording["region"].values, index=recording["unit_id"].values.astype(str))
            for name, model in MODELS.items():
                networks = fitted(recording, model.model_copy(update={"tau_s": teacher.network.tau_s}))
                settings = curbd.ExperimentSettings(posterior_draws=0, groups=0)
                outcome = curbd.run_experiments(
                    recording, networks, {"silence": curbd.Inactivation()}, truth, settings=settings
                )
                units = unit_table(outcome)
                units = units[~units["perturbed"].astype(bool)]
                yield from _scores(f"{kind}, seed {seed}", name, units.assign(target=units["unit_id"].map(region)))


def _scores(case: str, method: str, units: pd.DataFrame) -> Iterator[Answer]:
    predicted, true = units["effect_mean"].to_numpy(), units["true_mean"].to_numpy()
    yield Answer(UNITS_R2, case, method, "model", 1 - float(((predicted - true) ** 2).sum() / (true**2).sum()))
    effects = [rows for _, rows in units.groupby(["perturbation", "target"])]
    sizes = np.array([float(np.sqrt((rows["true_mean"] ** 2).mean())) for rows in effects])
    shown = [rows for rows, size in zip(effects, sizes, strict=True) if size > LEAST_EFFECT_SHARE * sizes.max()]
    r = [correlation(rows["effect_mean"].to_numpy(), rows["true_mean"].to_numpy()) for rows in shown]
    yield Answer(UNITS_R, case, method, "model", float(np.nanmean(r)))
