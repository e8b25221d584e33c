"""Networks of our own whose relu units are silent for half of the time: does a fit with relu units do better?

The question comes with the trained network of four areas, whose units are relu units. The scale of the rates is not
known to the fits, and time constants are estimated.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import curbd
from benchmarks.independent.answers import Answer
from benchmarks.independent.networks import BLOCK_MODELS, MODELS, TANH_MODELS, fitted
from benchmarks.recorded import recorded
from benchmarks.supported_effects import effect_of_silencing
from curbd import teachers
from curbd.network.nonlinearity import RELU
from curbd.network.truth import correlation
from curbd.network.view import View
from curbd.recording.scaling import rate_scale
from curbd.teachers import Teacher

Array = np.ndarray
CURRENTS_R = "currents between regions, r about the mean of each unit"
TAU = "estimated time constant, share of the true one"
EFFECTS_R2, EFFECTS_R = (f"true effects of silencing, {name} over trials, bins and units" for name in ("R2", "r"))
SEEDS = range(5)
COMMON: dict[str, Any] = {
    "units": 20,
    "trials": 25,
    "samples": 150,
    "substeps": 1,
    "gain": 1.0,
    "bias": 0.5,
    "inhibition": 1.5,
    "nonlinearity": RELU,
    "absent": [("B", "A"), ("C", "B")],
}
KINDS: dict[str, dict[str, Any]] = {"bias 0.5": {}, "bias 0.2": {"bias": 0.2}, "rank 2": {"rank": 2}}
"""Kind of network -> how its teacher differs from the first; a smaller bias leaves units silent more often."""


def answers(files: list[Path]) -> Iterator[Answer]:
    """Compare relu units with tanh units, on networks of relu units."""
    of_full_rank = {"one_step (default)": MODELS["one_step (default)"]} | TANH_MODELS
    for kind, seed in product(KINDS, SEEDS):
        teacher = teachers.multi_region(**COMMON | KINDS[kind], seed=seed)
        recording, _ = recorded(teacher)
        models = of_full_rank | (BLOCK_MODELS if "rank" in KINDS[kind] else {})
        for name, model in models.items():
            networks = fitted(recording, model)
            scale = rate_scale(recording, str(networks.attrs["phi"])).values
            yield from of_fit(f"{kind}, seed {seed}", name, curbd.view(recording, networks), scale, teacher)


def of_fit(case: str, method: str, fit: View, scale: Array, teacher: Teacher) -> Iterator[Answer]:
    """Compare time constant, currents and effects of one fit with those of the teacher.

    Parameters
    ----------
    case : name of the teacher.
    method : name of the model.
    fit : the fitted network with its recording.
    scale : (unit,) numbers by which the rates were divided.
    teacher : the teacher, in the units of its rates.
    """
    yield Answer(TAU, case, method, "model", float(np.mean(fit.network.tau_s) / np.mean(teacher.network.tau_s)))
    r = list[float]()
    for source in (entry for entry in fit.sources if entry.name in fit.regions):
        for target in fit.regions:
            rows = fit.region == target
            true = teacher.rates[..., source.columns] @ teacher.network.J[np.ix_(rows, source.columns)].T
            if target != source.name and true.any():
                estimate = fit.current(source, rows) * scale[rows]
                # A block that the fit leaves out has no current, and is not found.
                r.append(np.nan_to_num(correlation(_centred(estimate), _centred(true))))
    yield Answer(CURRENTS_R, case, method, "model", float(np.mean(r)))
    predicted, exact = list[Array](), list[Array]()
    for name in fit.regions:
        silenced = fit.region == name
        effect = effect_of_silencing(fit.network, fit.r[:, 0], np.nan_to_num(fit.u), silenced) * scale
        true = effect_of_silencing(teacher.network, teacher.rates[:, 0], teacher.inputs, silenced)
        predicted.append(effect[..., ~silenced].ravel())
        exact.append(true[..., ~silenced].ravel())
    estimate, true = np.concatenate(predicted), np.concatenate(exact)
    yield Answer(EFFECTS_R2, case, method, "model", float(1 - ((estimate - true) ** 2).sum() / (true**2).sum()))
    yield Answer(EFFECTS_R, case, method, "model", correlation(estimate, true))


def _centred(currents: Array) -> Array:
    return np.asarray((currents - currents.mean((0, 1))).ravel())
