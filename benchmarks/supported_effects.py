"""Are effects that are called supported right, also where something about the network was not recorded?

Three regions of 20 units, two pathways absent, 25 trials of 1.5 s, time constants estimated. Every region is silenced,
for the whole trial and for 300 ms in its middle, and the verdict of the product is compared with the effect in the true
network, which includes what was not recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

import curbd
from benchmarks.recorded import recorded
from curbd import teachers
from curbd.inactivation.tabulate import inactivation_table
from curbd.network.equation import Network, simulate
from curbd.network.nonlinearity import RELU
from curbd.recording.scaling import rate_scale
from curbd.teachers import Teacher

Array = np.ndarray
KINDS: Mapping[str, dict[str, Any]] = {
    "sparse between regions": {},
    "dense between regions": {"density": 1.0},
    "chaotic": {"gain": 1.8},
    "weak within regions": {"gain": 0.8, "coupling": 0.8},
    "6 trials": {"trials": 6},
    "rank 1": {"rank": 1, "gain": 1.5},
    "rank 2": {"rank": 2},
    "inputs not recorded": {"inputs": "hidden"},
    "noisy rates": {"measurement_noise": 0.05},
    "a region not recorded": {"regions": ["A", "B", "C", "D"]},
    "half of the units not recorded": {"units": 40},
    "relu units": {"nonlinearity": RELU, "gain": 1.0, "bias": 0.5, "inhibition": 1.5},
}
"""Kind of network -> how its teacher differs from the first."""
COMMON: dict[str, Any] = {
    "units": 20,
    "trials": 25,
    "samples": 150,
    "substeps": 1,
    "gain": 1.2,
    "absent": [("B", "A"), ("C", "B")],
}
WINDOWS = {"whole": (0, 150), "300 ms": (50, 80)}
"""Name -> first bin and end of the silencing."""
RIGHT_R2 = 0.5
"""An effect is right if at least this share of its square is predicted."""


def supported(kind: str, estimator: str, seed: int, quick: bool = False) -> pd.DataFrame:
    """Verdict and true R2 of the effect of silencing every region on every other region.

    Parameters
    ----------
    kind : kind of network, a key of `KINDS`.
    estimator : full-rank estimator.
    seed : of the teacher.
    quick : whether there are few trials.
    """
    settings = COMMON | KINDS[kind] | ({"trials": 6} if quick else {})
    teacher = teachers.multi_region(**settings, seed=seed)
    clean = teachers.multi_region(**(settings | {"measurement_noise": 0.0}), seed=seed)
    kept = _kept(kind, teacher.region)
    recording, _ = recorded(_of_units(teacher, kept))
    networks = curbd.fit(recording, curbd.Model(family="full_rank", estimator=estimator, seeds=[0])).networks
    dt_s = teacher.network.dt_s
    experiments = {
        name: curbd.Inactivation(start_s=begin * dt_s, stop_s=end * dt_s) for name, (begin, end) in WINDOWS.items()
    }
    outcome = curbd.run_experiments(recording, networks, experiments, settings=curbd.ExperimentSettings(groups=0))
    table = inactivation_table(outcome, curbd.judge(recording, networks))
    judged = table.set_index(["experiment", "acts_on", "target"])[["verdict", "predicted_r2"]].to_dict("index")
    fit = curbd.view(recording, networks)
    scale = rate_scale(recording, fit.network.nonlinearity.name).values
    rows = list[dict[str, object]]()
    for window, (begin, end) in WINDOWS.items():
        for source in fit.regions:
            predicted = effect_of_silencing(
                fit.network, fit.r[:, begin], np.nan_to_num(fit.u[:, begin:end]), fit.region == source
            )
            true = effect_of_silencing(
                clean.network,
                clean.rates[:, begin],
                clean.inputs[:, begin:end],
                teacher.region == source,
                clean.drive[:, begin:end],
            )[..., kept]
            for target in fit.regions:
                if target == source:
                    continue
                units = fit.region == target
                error = (predicted * scale - true)[..., units]
                verdict = judged[window, source, target]
                rows.append(
                    {
                        "teacher": kind,
                        "estimator": estimator,
                        "seed": seed,
                        "window": window,
                        "source": source,
                        "target": target,
                        **{str(name): cell for name, cell in verdict.items()},
                        "true_r2": 1 - float((error**2).sum() / (true[..., units] ** 2).sum()),
                    }
                )
    return pd.DataFrame(rows)


def _kept(kind: str, region: Array) -> Array:
    """(unit,) bool, which units are recorded."""
    if kind == "a region not recorded":
        return region != "D"
    if kind == "half of the units not recorded":
        return np.arange(len(region)) % 2 == 0
    return np.ones(len(region), dtype=bool)


def _of_units(teacher: Teacher, kept: Array) -> Teacher:
    """The recording of some units; its network is only the part of the true network between these units."""
    network = teacher.network
    part = network._replace(J=network.J[np.ix_(kept, kept)], B=network.B[kept], b=network.b[kept])
    return teacher._replace(
        rates=teacher.rates[..., kept], region=teacher.region[kept], network=part, drive=teacher.drive[..., kept]
    )


def effect_of_silencing(network: Network, r0: Array, u: Array, silenced: Array, drive: Array | None = None) -> Array:
    """Simulate the change of the rates when units are silenced.

    Parameters
    ----------
    network : the network.
    r0 : (trial, unit) rates at the first bin.
    u : (trial, time, input) inputs.
    silenced : (unit,) bool, units whose rate is held at 0.
    drive : (trial, time, unit) further current, or None.

    Returns
    -------
    (trial, time, unit) change of the rates.
    """
    x0 = network.nonlinearity.inverse(r0)
    gain = np.broadcast_to(np.where(silenced, 0.0, 1.0), (1, u.shape[1], len(silenced)))
    intact = simulate(network, x0, u, drive=drive)
    return simulate(network, x0, u, drive=drive, gain=gain) - intact
