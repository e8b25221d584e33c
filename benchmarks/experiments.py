"""Experiments on fitted networks beside the same ones in the networks that made the recordings, or in the recordings.

Every recording goes through the product as a user's would: from a file, fitted, judged, perturbed. The time constant
and the Euler steps are given, as somebody who knows them would.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.linear_model import Ridge

from benchmarks.recorded import recorded
from curbd import teachers
from curbd.estimators.fitting import fit
from curbd.inactivation import run_experiments
from curbd.inactivation.bench import Outcome
from curbd.inactivation.comparison import compare
from curbd.inactivation.tabulate import inactivation_table, unit_table
from curbd.network.equation import Network, phi_inverse, simulate
from curbd.network.file import network_of
from curbd.network.truth import true_network
from curbd.network.view import view
from curbd.pathways.judge import judge
from curbd.recording import open_recording
from curbd.recording.ingest import ingest
from curbd.recording.scaling import scaled_rates
from curbd.settings.experiments import ExperimentSettings, Inactivation
from curbd.settings.models import Model
from curbd.settings.recording import RecordingSettings
from curbd.teachers import Teacher

Array = np.ndarray
EARLY_S = 0.3
DENSE: Mapping[str, tuple[float, float, int]] = {
    "gain 1.5, coupling .5, 20 trials": (1.5, 0.5, 20),
    "gain .8, coupling .8, 20 trials": (0.8, 0.8, 20),
    "gain 1.5, coupling .5, 2 trials": (1.5, 0.5, 2),
}
"""Name -> gain within regions, coupling between them, training trials."""


HELD_OUT = 10
"""Trials made beyond those of training; experiments start from their states."""


class Fitted(NamedTuple):
    """A recording of a teacher, the network behind it, and one model fitted to it."""

    recording: xr.Dataset
    truth: xr.Dataset
    networks: xr.Dataset


def fitted(teacher: Teacher, estimator: str, held_out: int = HELD_OUT) -> Fitted:
    """Fit an estimator to all but ``held_out`` of the teacher's trials."""
    recording, truth = recorded(teacher, held_out / len(teacher.rates))
    return Fitted(recording, truth, fit(recording, estimator, _model(estimator, teacher.network))[0])


def _model(estimator: str, network: Network) -> Model:
    return Model(family="full_rank", estimator=estimator, seeds=[0], tau_s=network.tau_s, substeps=network.substeps)


def dense(name: str, estimator: str, seed: int, quick: bool = False) -> pd.DataFrame:
    """Every region silenced and every pathway cut in a three-region network: what is predicted of its true effect.

    Returns
    -------
    One row for silencing and one for cuts, see `_scores`, over the whole run; and ``r2_early``, ``r2_early_held_out``
    (of the fit itself ``fit_...``) over the first 300 ms, from the states of training trials and of others.
    """
    gain, coupling, training = DENSE[name]
    size: dict[str, Any] = {"units": 8, "samples": 60} if quick else {}
    teacher = teachers.multi_region(gain=gain, coupling=coupling, trials=training + HELD_OUT, seed=seed, **size)
    found = fitted(teacher, estimator)
    menu = {"silence": Inactivation(), "cut": Inactivation(kind="pathway")}
    early = found._replace(recording=found.recording.isel(time=found.recording["time"].values < EARLY_S))
    whole = _outcome(found, menu, trials="train")
    starts = {f"r2_early{name}": _outcome(early, menu, trials=part) for name, part in PARTS.items()}
    rows = []
    for kind in menu:
        row = {"teacher": name, "estimator": estimator, "seed": seed, "experiment": kind} | _scores(whole, kind)
        for column, outcome in starts.items():
            scores = _scores(outcome, kind)
            row |= {column: scores["r2"], f"fit_{column}": scores["fit_r2"]}
        rows.append(row)
    return pd.DataFrame(rows)


PARTS = {"": "train", "_held_out": "test"}
"""Which trials lend their states, by what their columns end with."""


def late(name: str, estimator: str, seed: int, quick: bool = False) -> pd.DataFrame:
    """The same in a window from 1.5 to 1.8 s, in trials that the fit did not see: the rows of `_scores`."""
    gain, coupling, training = DENSE[name]
    size: dict[str, Any] = {"units": 8} if quick else {}
    teacher = teachers.multi_region(gain=gain, coupling=coupling, trials=training + HELD_OUT, seed=seed, **size)
    menu = {
        "silence": Inactivation(start_s=1.5, stop_s=1.8),
        "cut": Inactivation(kind="pathway", start_s=1.5, stop_s=1.8),
    }
    outcome = _outcome(fitted(teacher, estimator), menu)
    known = {"teacher": name, "estimator": estimator, "seed": seed}
    return pd.DataFrame([known | {"experiment": kind} | _scores(outcome, kind) for kind in menu])


def _scores(outcome: Outcome, experiment: str) -> dict[str, float]:
    """How near the effects of an experiment on the other regions (of a cut: on its target) come to the true ones.

    ``error`` of the expected rms effect, median over effects, ``r2`` of the expected effect on single units over
    trials and time; ``fit_error``, ``fit_r2`` of those of the fit itself; ``covered`` and ``width``, the share of units
    whose true mean effect lies inside its 95 % interval, and the interval's width.
    """
    regions = _of_others(inactivation_table(outcome), experiment)
    units = _of_others(unit_table(outcome).rename(columns={"region": "target"}), experiment)
    inside = units["true_mean"].between(units["ci_low"], units["ci_high"])
    return {
        "error": float((regions["expected_rms"] / regions["true_rms"] - 1).abs().median()),
        "fit_error": float((regions["effect_rms"] / regions["true_rms"] - 1).abs().median()),
        "r2": pooled_r2(regions, "expected_true_r2"),
        "fit_r2": pooled_r2(regions, "true_r2"),
        "covered": float(inside.mean()),
        "width": float((units["ci_high"] - units["ci_low"]).mean()),
    }


def _of_others(table: pd.DataFrame, experiment: str) -> pd.DataFrame:
    rows = table[table["perturbation"].str.startswith(f"{experiment}:")]
    return rows[[_is_target(one) for one in rows[["perturbation", "target"]].itertuples(index=False)]]


def _is_target(row: tuple[str, str]) -> bool:
    """Whether a region is read: any but the silenced one, or the target of the cut pathway."""
    source, arrow, target = row[0].partition(":")[2].partition("->")
    return row[1] == target if arrow else row[1] != source


def pooled_r2(table: pd.DataFrame, column: str) -> float:
    """R2 over all rows of the table ``inactivations`` together, each region with as many units."""
    squares = table["true_rms"] ** 2
    return float(1 - ((1 - table[column]) * squares).sum() / squares.sum())


def balanced(trials: int, estimator: str, seed: int, quick: bool = False) -> pd.DataFrame:
    """The E/I teacher: predicted against true effect of silencing each region on the units of the others.

    The outgoing rates of a region are 0 (r = -1) for 5 s from 3 starts, without noise; the effect is that on the mean
    rates of the second half. ``r``, ``r2`` over regions and units, of the expected effect (mean over 20 networks drawn
    from the posterior); ``fit_r2`` of that of the fit itself, ``ridge_r2`` of that of `_ridge`. The effects are
    differences of r, twice those of rates between 0 and 1.
    """
    size: dict[str, Any] = {"units": 10, "samples": 100} if quick else {}
    found = fitted(teachers.excitatory_inhibitory(trials=trials + HELD_OUT, seed=seed, **size), estimator)
    region = found.recording["region"].values.astype(str)
    x0 = 0.8 * np.random.default_rng(seed).standard_normal((3, len(region)))
    drawn = view(found.recording, found.networks).draws(20, seed)
    true, of_fit, of_ridge, *of_drawn = (
        _late_effects(network, region, x0)
        for network in (true_network(found.truth), network_of(found.networks, 0), _ridge(found), *drawn)
    )
    expected = np.mean(of_drawn, axis=0)

    def r2(predicted: Array) -> float:
        return float(1 - ((true - predicted) ** 2).sum() / (true**2).sum())

    row = {
        "trials": trials,
        "estimator": estimator,
        "seed": seed,
        "r": float(np.corrcoef(true, expected)[0, 1]),
        "r2": r2(expected),
        "fit_r2": r2(of_fit),
        "ridge_r2": r2(of_ridge),
    }
    return pd.DataFrame([row])


def _ridge(found: Fitted) -> Network:
    """Plain ridge regression: one penalty for all weights, the best of five on one trial of its own, a free bias."""
    network = true_network(found.truth)
    r = scaled_rates(found.recording).values
    current = (phi_inverse(r[:, 1:]) - phi_inverse(r[:, :-1])) * network.tau_s / network.dt_s + phi_inverse(r[:, :-1])
    train = found.recording["split"].values == "train"
    own = np.flatnonzero(~train)[0]
    # Rates between 0 and 1, to which the penalties belong.
    f = (r[:, :-1] + 1) / 2
    inputs, outputs = (part[train].reshape(-1, r.shape[2]) for part in (f, current))
    fits = [Ridge(alpha).fit(inputs, outputs) for alpha in (0.01, 0.1, 1.0, 10.0, 100.0)]
    best = min(fits, key=lambda fit: float(((current[own] - fit.predict(f[own])) ** 2).sum()))
    return network._replace(J=best.coef_ / 2, b=best.intercept_ + best.coef_.sum(1) / 2)


def _late_effects(network: Network, region: Array, x0: Array) -> Array:
    """Effects of silencing each region on all units of the others, mean over starts and samples 251 to 499, flat."""
    nothing = np.zeros((len(x0), 500, 0))
    intact = simulate(network, x0, nothing)[:, 251:].mean((0, 1))
    effects = []
    for name in np.unique(region):
        silent = (region == name).astype(float)[None, None].repeat(500, axis=1)
        # Rates held at -1 are no rates of the units' own and a constant current to all others.
        rates = simulate(network, x0, nothing, gain=1 - silent, drive=-silent @ network.J.T)
        effects.append((rates[:, 251:].mean((0, 1)) - intact)[region != name])
    return np.concatenate(effects)


def relayed(relay: bool, estimator: str, seed: int, quick: bool = False) -> pd.DataFrame:
    """A -> B -> C, or B -> C alone: what is said of silencing A and of cutting A -> C, both as effects on C."""
    found = fitted(teachers.chain(relay=relay, trials=8 if quick else 24, seed=seed), estimator, held_out=4)
    experiments = {
        "silence": Inactivation(region="A"),
        "direct": Inactivation(kind="pathway", source="A", target="C"),
        "first_half": Inactivation(kind="pathway", source="A", target="B"),
    }
    table = _judged(found, experiments)
    on_c = table[table["target"] == "C"]
    on_c = on_c.set_index(on_c["perturbation"].str.partition(":")[0])
    row: dict[str, Any] = {"teacher": "relay" if relay else "context only", "estimator": estimator, "seed": seed}
    for name in experiments:
        row |= {
            name: on_c.loc[name, "verdict"],
            f"{name}_rms": on_c.loc[name, "effect_rms"],
            f"{name}_true_rms": on_c.loc[name, "true_rms"],
        }
    return pd.DataFrame([row])


def _judged(found: Fitted, experiments: Mapping[str, Inactivation]) -> pd.DataFrame:
    """The table ``inactivations`` with its verdicts."""
    outcome = _outcome(found, experiments)
    return inactivation_table(outcome, _pathways(found))


def _pathways(found: Fitted) -> pd.DataFrame:
    return judge(found.recording, found.networks)


def _outcome(
    found: Fitted, menu: Mapping[str, Inactivation], draws: int = 20, groups: int = 0, trials: str = "test"
) -> Outcome:
    """The experiments from the states of some held-out (test) or training (train) trials, or of all."""
    bench = ExperimentSettings(groups=groups, posterior_draws=draws)
    split = found.recording["split"].values
    chosen = np.arange(len(split)) if trials == "all" else np.flatnonzero(split == trials)[:HELD_OUT]
    recording = found.recording.isel(trial=chosen)
    return run_experiments(recording, found.networks, menu, found.truth, bench=bench)


LASERS = {"silencing": None, "drive": 1.5}
"""What the laser does to region A: it silences it, or drives half of its units."""


def lit(kind: str, estimator: str, seed: int, quick: bool = False) -> pd.DataFrame:
    """A laser on region A: the rows of regions of the table ``perturbation_comparison``.

    Trials with the laser on are held out by the trial column; the networks are fitted to the others.
    """
    drive = LASERS[kind]
    teacher = teachers.laser(drive=drive, trials=24 if quick else 120, seed=seed)
    like = Inactivation(region="A", action="clamp", value=-1.0, start_s=0.5, stop_s=1.5)
    if drive is not None:
        half = [f"A{number + 1}" for number in range(int((teacher.region == "A").sum()) // 2)]
        like = Inactivation(kind="units", units=half, action="drive", value=drive, start_s=0.5, stop_s=1.5)
    settings = RecordingSettings.model_validate({"perturbed": [{"column": "laser", "value": "on", "like": "laser"}]})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "teacher.h5"
        teachers.write_hdf5(teacher, path)
        with open_recording(path, "hdf5", settings) as file:
            session = ingest(file, settings, "teacher")
    recording, truth, perturbed = session.recording, session.truth, session.perturbed
    if truth is None or perturbed is None:
        raise ValueError("teacher: found no truth or no laser in its own file")
    networks, _ = fit(recording, estimator, _model(estimator, teacher.network))
    found = Fitted(recording, truth, networks)
    outcome = _outcome(found, {"laser": like}, trials="all")
    rows = compare(recording, perturbed, inactivation_table(outcome, _pathways(found)), unit_table(outcome))
    regions = rows[rows["unit_id"] == ""].drop(columns=["recording", "model", "perturbation", "unit_id"])
    return regions.assign(laser=kind, estimator=estimator, seed=seed)


def exchangeable(estimator: str, seed: int, quick: bool = False) -> pd.DataFrame:
    """p-values of silencing groups that are nothing special: units of one homogeneous region, labelled at random."""
    one = teachers.multi_region(
        regions=["A"], units=30, trials=16, samples=60 if quick else 150, gain=1.2, inputs="none", seed=seed
    )
    labels = np.random.default_rng(seed).permutation(np.repeat(["A", "B", "C"], 10))
    outcome = _outcome(fitted(one._replace(region=labels), estimator), {"silence": Inactivation()}, draws=0, groups=39)
    table = _of_others(inactivation_table(outcome), "silence")
    rows = table[["perturbation", "target", "p_value"]]
    return rows.assign(estimator=estimator, seed=seed)
