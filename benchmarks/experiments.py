"""Experiments on fitted networks, compared with the same experiments on the true networks or with perturbed trials.

Every recording goes through the workflow as a user's does: read from a file, fitted, judged, perturbed. The time
constant and the Euler steps are given.
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
from curbd.inactivation.comparison import compare
from curbd.inactivation.experiments import Outcome
from curbd.inactivation.tabulate import inactivation_table, unit_table
from curbd.network.equation import Network, simulate
from curbd.network.file import network_of
from curbd.network.nonlinearity import TANH
from curbd.network.truth import true_network
from curbd.network.view import view
from curbd.pathways.judge import judge
from curbd.recording.ingest import Session, ingest_file
from curbd.recording.scaling import scaled_rates
from curbd.settings.experiments import ExperimentSettings, Inactivation
from curbd.settings.models import Model
from curbd.settings.recording import RecordingSettings
from curbd.teachers import Teacher

Array = np.ndarray
EARLY_S = 0.3
"""Length of the early window from the onset of an experiment, s."""
DENSE_TEACHERS: Mapping[str, tuple[float, float, int]] = {
    "gain 1.5, coupling .5, 20 trials": (1.5, 0.5, 20),
    "gain .8, coupling .8, 20 trials": (0.8, 0.8, 20),
    "gain 1.5, coupling .5, 2 trials": (1.5, 0.5, 2),
}
"""Name -> gain within regions, coupling between regions, number of training trials."""
START_TRIALS = 10
"""Trials in addition to the training trials; experiments start from their states."""


class Student(NamedTuple):
    """A recording of a teacher, the true network, and the networks that were fitted to the recording."""

    recording: xr.Dataset
    truth: xr.Dataset
    networks: xr.Dataset


def fitted(teacher: Teacher, estimator: str, held_out: int = START_TRIALS) -> Student:
    """Fit an estimator to a recording of a teacher.

    Parameters
    ----------
    teacher : network and rates.
    estimator : full-rank estimator.
    held_out : number of trials that the fit does not use.
    """
    recording, truth = recorded(teacher, held_out / len(teacher.rates))
    return Student(recording, truth, fit(recording, _model(estimator, teacher.network), estimator)[0])


def _model(estimator: str, network: Network) -> Model:
    return Model(family="full_rank", estimator=estimator, seeds=[0], tau_s=network.tau_s, substeps=network.substeps)


def dense(name: str, estimator: str, seed: int, quick: bool = False) -> pd.DataFrame:
    """Every region silenced and every pathway cut in a three-region network: predicted against true effects.

    Parameters
    ----------
    name : teacher, a key of `DENSE_TEACHERS`.
    estimator : full-rank estimator.
    seed : of the teacher.
    quick : whether the recording is tiny.

    Returns
    -------
    One row for silencing and one for cuts, with the columns of `_scores` for the whole run from states of training
    trials; further ``r2_early`` and ``r2_early_held_out`` over the first 300 ms, from states of training trials and of
    held-out trials, and these two with the prefix ``fit_`` for the effects in the fit itself.
    """
    gain, coupling, training = DENSE_TEACHERS[name]
    size: dict[str, Any] = {"units": 8, "samples": 60} if quick else {}
    teacher = teachers.multi_region(gain=gain, coupling=coupling, trials=training + START_TRIALS, seed=seed, **size)
    student = fitted(teacher, estimator)
    experiments = {"silence": Inactivation(), "cut": Inactivation(kind="pathway")}
    early = student._replace(recording=student.recording.isel(time=student.recording["time"].values < EARLY_S))
    whole = _outcome(student, experiments, trials="train")
    starts = {
        f"r2_early{suffix}": _outcome(early, experiments, trials=split) for suffix, split in SPLIT_OF_SUFFIX.items()
    }
    rows = []
    for kind in experiments:
        row = {"teacher": name, "estimator": estimator, "seed": seed, "experiment": kind} | _scores(whole, kind)
        for column, outcome in starts.items():
            scores = _scores(outcome, kind)
            row |= {column: scores["r2"], f"fit_{column}": scores["fit_r2"]}
        rows.append(row)
    return pd.DataFrame(rows)


SPLIT_OF_SUFFIX = {"": "train", "_held_out": "test"}
"""End of the name of a column -> split of the trials from whose states experiments start."""


def late(name: str, estimator: str, seed: int, quick: bool = False) -> pd.DataFrame:
    """Every region silenced and every pathway cut from 1.5 to 1.8 s in held-out trials: the columns of `_scores`.

    Parameters
    ----------
    name : teacher, a key of `DENSE_TEACHERS`.
    estimator : full-rank estimator.
    seed : of the teacher.
    quick : whether the recording is tiny.
    """
    gain, coupling, training = DENSE_TEACHERS[name]
    size: dict[str, Any] = {"units": 8} if quick else {}
    teacher = teachers.multi_region(gain=gain, coupling=coupling, trials=training + START_TRIALS, seed=seed, **size)
    experiments = {
        "silence": Inactivation(start_s=1.5, stop_s=1.8),
        "cut": Inactivation(kind="pathway", start_s=1.5, stop_s=1.8),
    }
    outcome = _outcome(fitted(teacher, estimator), experiments)
    origin = {"teacher": name, "estimator": estimator, "seed": seed}
    return pd.DataFrame([origin | {"experiment": kind} | _scores(outcome, kind) for kind in experiments])


def _scores(outcome: Outcome, experiment: str) -> dict[str, float]:
    """How near the effects of an experiment on regions that are not perturbed come to the true effects.

    A cut is read in its target only.

    Returns
    -------
    error : relative error of the expected rms effect, median over effects.
    r2 : R2 of the expected effect on single units over trials and time.
    fit_error, fit_r2 : error and r2 of the effect in the fit itself.
    covered : share of units whose true mean effect lies inside its 95 % interval.
    width : mean width of these intervals, in units of r.
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
    """Effects on any region but the silenced region, and on the target of a cut pathway."""
    rows = table[table["experiment"] == experiment]
    if experiment == "cut":
        targets = {f"{source}->{target}": target for source in "ABC" for target in "ABC"}
        return rows[rows["target"] == rows["acts_on"].map(targets)]
    return rows[rows["target"] != rows["acts_on"]]


def pooled_r2(table: pd.DataFrame, column: str) -> float:
    """R2 over all rows of the table ``inactivations`` together, from the R2 of single rows with as many units each."""
    squares = table["true_rms"] ** 2
    return float(1 - ((1 - table[column]) * squares).sum() / squares.sum())


def balanced(trials: int, estimator: str, seed: int, quick: bool = False) -> pd.DataFrame:
    """Excitatory and inhibitory units: predicted against true effects of silencing a region on the other regions.

    The rates of a region are held at 0 (r = -1) for 5 s from 3 random states, without noise; the effect is the change
    of the mean rate r of a unit in the second half. Effects on r are twice the effects on rates between 0 and 1.

    Parameters
    ----------
    trials : number of training trials.
    estimator : full-rank estimator.
    seed : of the teacher and the random states.
    quick : whether the recording is tiny.

    Returns
    -------
    r, r2 : correlation and R2, over regions and units, of the expected effect: the mean over 20 networks drawn from the
        posterior.
    fit_r2 : R2 of the effect in the fit itself.
    ridge_r2 : R2 of the effect in the network of `_ridge`.
    """
    size: dict[str, Any] = {"units": 10, "samples": 100} if quick else {}
    student = fitted(teachers.excitatory_inhibitory(trials=trials + START_TRIALS, seed=seed, **size), estimator)
    region = student.recording["region"].values.astype(str)
    x0 = 0.8 * np.random.default_rng(seed).standard_normal((3, len(region)))
    drawn = view(student.recording, student.networks).draws(20, seed)
    true, of_fit, of_ridge, *of_drawn = (
        _late_effects(network, region, x0)
        for network in (true_network(student.truth), network_of(student.networks, 0), _ridge(student), *drawn)
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


def _ridge(student: Student) -> Network:
    """Plain ridge regression with a free bias and the penalty, of five, that is best on one held-out trial."""
    network = true_network(student.truth)
    r = scaled_rates(student.recording).values
    x = TANH.inverse(r)
    current = (x[:, 1:] - x[:, :-1]) * network.tau_s / network.dt_s + x[:, :-1]
    train = student.recording["split"].values == "train"
    held_out = np.flatnonzero(~train)[0]
    # The penalties are meant for rates between 0 and 1.
    f = (r[:, :-1] + 1) / 2
    inputs, outputs = (values[train].reshape(-1, r.shape[2]) for values in (f, current))
    fits = [Ridge(alpha).fit(inputs, outputs) for alpha in (0.01, 0.1, 1.0, 10.0, 100.0)]
    best = min(fits, key=lambda fit: float(((current[held_out] - fit.predict(f[held_out])) ** 2).sum()))
    return network._replace(J=best.coef_ / 2, b=best.intercept_ + best.coef_.sum(1) / 2)


def _late_effects(network: Network, region: Array, x0: Array) -> Array:
    """Effects of silencing each region on the units of the other regions, one after another in one dimension.

    Effects are means over starts and over samples 251 to 499.

    Parameters
    ----------
    network : the network.
    region : (unit,) labels.
    x0 : (start, unit) states from which the runs start.
    """
    no_inputs = np.zeros((len(x0), 500, 0))
    intact = simulate(network, x0, no_inputs)[:, 251:].mean((0, 1))
    effects = []
    for name in np.unique(region):
        silent = (region == name).astype(float)[None, None].repeat(500, axis=1)
        # Units held at the rate -1 are units of gain 0, and a constant current to all units.
        rates = simulate(network, x0, no_inputs, gain=1 - silent, drive=-silent @ network.J.T)
        effects.append((rates[:, 251:].mean((0, 1)) - intact)[region != name])
    return np.concatenate(effects)


def relayed(relay: bool, estimator: str, seed: int, quick: bool = False) -> pd.DataFrame:
    """A chain A -> B -> C, or B -> C alone: verdicts on the effect on C of silencing A and of cutting A -> C or A -> B.

    Parameters
    ----------
    relay : whether there is a pathway A -> B.
    estimator : full-rank estimator.
    seed : of the teacher.
    quick : whether the recording is short.
    """
    student = fitted(teachers.chain(relay=relay, trials=8 if quick else 24, seed=seed), estimator, held_out=4)
    experiments = {
        "silence": Inactivation(region="A"),
        "direct": Inactivation(kind="pathway", source="A", target="C"),
        "first_half": Inactivation(kind="pathway", source="A", target="B"),
    }
    table = _judged(student, experiments)
    on_c = table[table["target"] == "C"]
    on_c = on_c.set_index("experiment")
    row: dict[str, Any] = {"teacher": "relay" if relay else "context only", "estimator": estimator, "seed": seed}
    for name in experiments:
        row |= {
            name: on_c.loc[name, "verdict"],
            f"{name}_rms": on_c.loc[name, "effect_rms"],
            f"{name}_true_rms": on_c.loc[name, "true_rms"],
        }
    return pd.DataFrame([row])


def _judged(student: Student, experiments: Mapping[str, Inactivation]) -> pd.DataFrame:
    """The table ``inactivations`` of experiments, with verdicts."""
    outcome = _outcome(student, experiments)
    return inactivation_table(outcome, _pathways(student))


def _pathways(student: Student) -> pd.DataFrame:
    return judge(student.recording, student.networks)


def _outcome(
    student: Student, experiments: Mapping[str, Inactivation], draws: int = 20, groups: int = 0, trials: str = "test"
) -> Outcome:
    """Run experiments from the states of held-out (``test``), training (``train``) or all (``all``) trials."""
    settings = ExperimentSettings(groups=groups, posterior_draws=draws)
    split = student.recording["split"].values
    chosen = np.arange(len(split)) if trials == "all" else np.flatnonzero(split == trials)[:START_TRIALS]
    recording = student.recording.isel(trial=chosen)
    return run_experiments(recording, student.networks, experiments, student.truth, settings=settings)


LASER_DRIVE = {"silencing": None, "drive": 1.5}
"""Effect of the laser on region A -> current that it adds to half of the units (in units of x), None for silencing."""


def lit(kind: str, estimator: str, seed: int, quick: bool = False) -> pd.DataFrame:
    """A laser on region A: rows of the table ``perturbation_comparison`` that belong to whole regions.

    Trials in which the trial column says that the laser is on are held out; networks are fitted to the other trials.

    Parameters
    ----------
    kind : effect of the laser, a key of `LASER_DRIVE`.
    estimator : full-rank estimator.
    seed : of the teacher.
    quick : whether there are few trials.
    """
    drive = LASER_DRIVE[kind]
    teacher = teachers.laser(drive=drive, trials=24 if quick else 120, seed=seed)
    like = Inactivation(region="A", action="clamp", value=-1.0, start_s=0.5, stop_s=1.5)
    if drive is not None:
        half = [f"A{unit + 1}" for unit in range(int((teacher.region == "A").sum()) // 2)]
        like = Inactivation(kind="units", units=half, action="drive", value=drive, start_s=0.5, stop_s=1.5)
    settings = RecordingSettings.model_validate({"perturbed": [{"column": "laser", "value": "on", "like": "laser"}]})
    session = _session(teacher, settings)
    recording, truth, perturbed = session.recording, session.truth, session.perturbed
    if truth is None or perturbed is None:
        raise ValueError("teacher: found no truth or no laser in its own file")
    networks, _ = fit(recording, _model(estimator, teacher.network), estimator)
    student = Student(recording, truth, networks)
    outcome = _outcome(student, {"laser": like}, trials="all")
    rows = compare(recording, perturbed, inactivation_table(outcome, _pathways(student)), unit_table(outcome))
    regions = rows[rows["unit_id"] == ""].drop(columns=["recording", "model", "perturbation", "unit_id"])
    return regions.assign(laser=kind, estimator=estimator, seed=seed)


TAUGHT = ("unperturbed trials", "and perturbed trials", "as many unperturbed trials")
"""Trials that a network is fitted to, beside half of the trials, which are unperturbed."""


def taught(trials: str, estimator: str, seed: int, quick: bool = False) -> pd.DataFrame:
    """Fit to trials in which a laser drives half of region A as well: effects of silencing B or C, on other regions.

    Parameters
    ----------
    trials : trials that the network is fitted to, one of `TAUGHT`.
    estimator : full-rank estimator.
    seed : of the teacher.
    quick : whether the recording is tiny.
    """
    size: dict[str, Any] = {"units": 8, "trials": 12} if quick else {"units": 20, "trials": 24}
    light = teachers.Laser("A", 0.3, 0.9, drive=1.5, share=0.5)
    laser = None if trials == TAUGHT[2] else light
    teacher = teachers.multi_region(**size, samples=150, substeps=1, gain=1.2, laser=laser, seed=seed)
    entry = {"column": "laser", "value": "on", "like": "light", "fit_all_but": ["A"]}
    settings = {} if laser is None else {"perturbed": [entry]}
    session = _session(teacher, RecordingSettings.model_validate(settings | {"test_fraction": 0.2}))
    perturbed = session.perturbed if trials == TAUGHT[1] else None
    networks = fit(session.recording, _model(estimator, teacher.network), estimator, perturbed=perturbed).networks
    if session.truth is None:
        raise ValueError("teacher: found no truth in its own file")
    outcome = _outcome(
        Student(session.recording, session.truth, networks),
        {name: Inactivation(region=name) for name in "BC"},
        trials="train",
    )
    table = inactivation_table(outcome)
    others = table[table["target"] != table["acts_on"]]
    row = {"trials": trials, "estimator": estimator, "seed": seed, "r2": pooled_r2(others, "expected_true_r2")}
    return pd.DataFrame([row])


def _session(teacher: Teacher, settings: RecordingSettings) -> Session:
    """Write a teacher to a file and ingest it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "teacher.h5"
        teachers.write_hdf5(teacher, path)
        return ingest_file(path, settings)


def exchangeable(estimator: str, seed: int, quick: bool = False) -> pd.DataFrame:
    """p-values of silencing random groups of units: units of one homogeneous region, labelled at random.

    Parameters
    ----------
    estimator : full-rank estimator.
    seed : of the teacher and the labels.
    quick : whether trials are short.
    """
    teacher = teachers.multi_region(
        regions=["A"], units=30, trials=16, samples=60 if quick else 150, gain=1.2, inputs="none", seed=seed
    )
    labels = np.random.default_rng(seed).permutation(np.repeat(["A", "B", "C"], 10))
    outcome = _outcome(
        fitted(teacher._replace(region=labels), estimator), {"silence": Inactivation()}, draws=0, groups=39
    )
    table = _of_others(inactivation_table(outcome), "silence")
    rows = table[["perturbation", "target", "p_value"]]
    return rows.assign(estimator=estimator, seed=seed)
