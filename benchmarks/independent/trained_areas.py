"""Relu networks of four areas that were trained here: the prior of the weights onto units that are often silent.

The networks are of the kind of the trained network of another group (`benchmarks.independent.four_areas`): activity of
few dimensions that all areas share, many silent units, few trials. Time constants are estimated.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

import curbd
from benchmarks.independent.answers import Answer
from benchmarks.independent.networks import BLOCK_MODELS, MODELS, fitted
from benchmarks.independent.silent_units import of_fit
from benchmarks.recorded import recorded
from curbd.network.view import View
from curbd.recording.scaling import rate_scale
from curbd.teachers import Teacher
from lrfit.teachers.trained_areas import trained_areas

SEEDS = range(3)
UNITS = 20
COMPARED = {
    "one_step (default)": MODELS["one_step (default)"],
    "one_step, ridge penalties": curbd.Model(family="full_rank", options={"penalties": "evidence"}, seeds=[0]),
} | BLOCK_MODELS
EXISTENCE = "existence of 12 blocks, AUROC"


def answers(files: list[Path]) -> Iterator[Answer]:
    """Compare the default with ridge penalties on networks that were trained on a decision task."""
    for seed in SEEDS:
        teacher = trained_areas(seed, units=UNITS)
        recording, _ = recorded(teacher)
        for name, model in COMPARED.items():
            networks = fitted(recording, model)
            scale = rate_scale(recording, str(networks.attrs["phi"])).values
            fit = curbd.view(recording, networks)
            case = f"seed {seed}"
            yield from of_fit(case, name, fit, scale, teacher)
            yield Answer(EXISTENCE, case, name, "model", _existence(fit, teacher))


def _existence(fit: View, teacher: Teacher) -> float:
    """AUROC of the variance of the currents, as a share of that into the target, for the blocks that exist."""
    sources = [source for source in fit.sources if source.name in fit.regions]
    variance = {source.name: np.nanvar(fit.current(source), axis=(0, 1)) for source in fit.sources}
    total = sum(variance.values())
    share, exists = list[float](), list[bool]()
    for target in fit.regions:
        rows = fit.region == target
        for source in sources:
            if source.name != target:
                share.append(float(variance[source.name][rows].sum() / np.sum(total[rows])))
                exists.append(bool(teacher.network.J[np.ix_(rows, source.columns)].any()))
    return float(roc_auc_score(exists, share))
