"""A trained network of four areas (400 relu units): existing blocks, currents between areas and silencing of areas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pandas as pd
import xarray as xr
from sklearn.metrics import roc_auc_score

import curbd
from benchmarks.independent import pairs
from benchmarks.independent.answers import Answer, Role
from benchmarks.independent.networks import BLOCK_MODELS, MODELS, TANH_MODELS, fitted, session, training_rates
from curbd.inactivation.experiments import Outcome
from curbd.inactivation.tabulate import inactivation_table, unit_table
from curbd.network.current_pairs import CurrentPair
from curbd.network.truth import against_truth, correlation
from curbd.network.view import View
from curbd.recording.scaling import rate_scale

Array = np.ndarray
BLOCKS = "existence of 12 blocks, AUROC"
CURRENT_R, CURRENT_R2, CURRENT_RATIO = (
    f"currents of the blocks that exist, {name}" for name in ("r", "R2", "median ratio of rms")
)
UNITS_R, SIZES_R = "exact effects of silencing, mean r over units", "exact effects of silencing, r of the 12 sizes"
INVENTED = "largest predicted effect where none exists, share of the largest true effect"
SUPPORTED = "exact effects of silencing, supported of 12"
RIGHT = "exact effects of silencing, share of the supported with an R2 of at least .5 over units"
RIGHT_R2 = 0.5
NOISE_REPEATS = 20
NOISE_SEED = 0
SILENCED_FROM_S = 0.0
NO_EFFECT_SHARE = 0.1
"""An exact effect below this share of the largest one counts as none."""
SETTINGS: dict[str, object] = {
    "windows": {"conditions": ["context"]},
    "units": {"min_rate_hz": 0},
    "perturbed": [
        {"column": "silenced", "value": f"area{number}", "like": f"silence_area{number}"} for number in (1, 2, 3, 4)
    ],
}


class Truth(NamedTuple):
    """The network and its intact trials.

    Attributes
    ----------
    J, B : weights (target, source) and (target, input).
    region : (unit,) labels.
    r, u : (trial, time, ...) rates and inputs of the intact trials.
    time_s : (time,) times of the bins.
    decay : share of a state that a bin replaces.
    noise_sd : standard deviation of the noise on the current in a bin.
    """

    J: Array
    B: Array
    region: Array
    r: Array
    u: Array
    time_s: Array
    decay: float
    noise_sd: float


def answers(files: list[Path]) -> Iterator[Answer]:
    """Do networks and baselines find the blocks, their currents, and what silencing an area does?"""
    for path in files:
        truth = _truth(path)
        recording = session(path, SETTINGS).recording
        scale = recording["scale"].values
        areas = [str(name) for name in np.unique(truth.region)]
        effects = _exact_effects(truth, areas)
        models = {"one_step (default)": MODELS["one_step (default)"]} | TANH_MODELS | BLOCK_MODELS
        for name, model in models.items():
            networks = fitted(recording, model)
            of_fit = rate_scale(recording, str(networks.attrs["phi"])).values
            yield from _of_currents(path.stem, name, curbd.view(recording, networks), of_fit, truth)
            outcome = _silenced(recording, networks)
            predicted = _predicted(outcome, areas, of_fit)
            yield from _of_silencing(path.stem, name, "model", predicted, effects, truth.region)
            verdicts = inactivation_table(outcome, curbd.judge(recording, networks))
            yield from _of_verdicts(path.stem, name, verdicts, predicted, effects, truth.region)
        yield from _baselines(path.stem, training_rates(recording), scale, truth, effects)


def _truth(path: Path) -> Truth:
    with h5py.File(path) as file:
        intact = file["trial/silenced"][:].astype(str) == "none"
        r, u = file["rates"][:][intact].astype(float), file["inputs"][:][intact].astype(float)
        J, B = file["truth/J"][:].astype(float), file["truth/B"][:].astype(float)
        decay = float(file["truth"].attrs["dt_s"] / file["truth"].attrs["tau_s"])
        region, time_s = file["region"][:].astype(str), file["time"][:]
    total = (r[:, 1:] - (1 - decay) * r[:, :-1]) / decay
    # Only a rate above 0 tells the state of a relu unit.
    known = (r[:, 1:] > 0) & (r[:, :-1] > 0)
    noise = (total - r[:, :-1] @ J.T - u[:, :-1] @ B.T)[known]
    return Truth(J=J, B=B, region=region, r=r, u=u, time_s=time_s, decay=decay, noise_sd=float(noise.std()))


def _run(truth: Truth, silenced: Array, noise: Array) -> Array:
    """Simulate (trial, time, unit) rates with given noise; silenced units send and show nothing from the event on."""
    x = truth.r[:, 0]
    rates = np.empty_like(noise)
    for step, time in enumerate(truth.time_s):
        r = np.maximum(x, 0)
        if time >= SILENCED_FROM_S:
            r[:, silenced] = 0
        rates[:, step] = r
        x = x + truth.decay * (-x + r @ truth.J.T + truth.u[:, step] @ truth.B.T + noise[:, step])
    return rates


def _exact_effects(truth: Truth, areas: list[str]) -> dict[str, Array]:
    """Area -> (unit,) change of the mean rate when the area is silenced, with the same noise in both simulations."""
    rng = np.random.default_rng(NOISE_SEED)
    window = truth.time_s >= SILENCED_FROM_S
    total = {area: np.zeros(len(truth.region)) for area in areas}
    for _ in range(NOISE_REPEATS):
        noise = truth.noise_sd * rng.standard_normal(truth.r.shape)
        intact = _run(truth, np.zeros(len(truth.region), dtype=bool), noise)
        for area in areas:
            change = _run(truth, truth.region == area, noise) - intact
            total[area] += change[:, window].mean((0, 1)) / NOISE_REPEATS
    return total


def _silenced(recording: xr.Dataset, networks: xr.Dataset) -> Outcome:
    """Every area silenced in the fitted network."""
    experiments = {"silence": curbd.Inactivation(start_s=SILENCED_FROM_S)}
    return curbd.run_experiments(recording, networks, experiments, settings=curbd.ExperimentSettings(groups=0))


def _predicted(outcome: Outcome, areas: list[str], scale: Array) -> dict[str, Array]:
    """Area -> (unit,) change of the rate that a fitted network predicts, in the units of the recording."""
    units = unit_table(outcome)
    units = units[units["seed"] == units["seed"].iloc[0]]
    order = outcome.recording["unit_id"].values.astype(str)
    effects = dict[str, Array]()
    for name, rows in units.groupby("perturbation"):
        # Conditions are equally frequent among the trials of the exact effects up to one trial.
        mean = rows.groupby("unit_id")["effect_mean"].mean().reindex(order).to_numpy() * scale
        effects[next(area for area in areas if area in str(name))] = mean
    return effects


def _of_currents(case: str, method: str, fit: View, scale: Array, truth: Truth) -> Iterator[Answer]:
    """AUROC of the estimated currents for the blocks that exist, and their agreement with the true currents."""
    share, exists, scores = list[float](), list[bool](), list[dict[str, float]]()
    sources = [source for source in fit.sources if source.name in fit.regions]
    total = sum(np.nanvar(fit.current(source), axis=(0, 1)) for source in fit.sources)
    for target in fit.regions:
        rows = fit.region == target
        for source in sources:
            if source.name == target:
                continue
            estimate = fit.current(source, rows)
            share.append(float(np.nanvar(estimate, axis=(0, 1)).sum() / total[rows].sum()))
            true = truth.r[..., source.columns] @ truth.J[:, source.columns][rows].T
            exists.append(bool(true.any()))
            if exists[-1]:
                # A state near 0 is the rate divided by the scale of its unit, and so is a current.
                scores.append(against_truth(CurrentPair.of_currents(estimate * scale[rows], true)))
    yield Answer(BLOCKS, case, method, "model", float(roc_auc_score(exists, share)))
    table = pd.DataFrame(scores)
    # A block that the fit leaves out has no current, and is not found.
    yield Answer(CURRENT_R, case, method, "model", float(table["true_r"].fillna(0.0).mean()))
    yield Answer(CURRENT_R2, case, method, "model", float(table["true_r2"].mean()))
    yield Answer(CURRENT_RATIO, case, method, "model", float(table["true_ratio"].median()))


def _of_silencing(
    case: str, method: str, role: Role, predicted: dict[str, Array], exact: dict[str, Array], region: Array
) -> Iterator[Answer]:
    """Agreement of predicted with exact effects: over units, over the 12 sizes, and where nothing happens."""
    r_units, sizes = list[float](), list[tuple[float, float]]()
    for silenced, effect in exact.items():
        for target in np.unique(region):
            units = region == target
            if target != silenced:
                # Where no effect is predicted, nothing is found.
                r_units.append(np.nan_to_num(correlation(predicted[silenced][units], effect[units])))
                sizes.append((_rms(predicted[silenced][units]), _rms(effect[units])))
    size, true_size = np.array(sizes).T
    yield Answer(UNITS_R, case, method, role, float(np.mean(r_units)))
    yield Answer(SIZES_R, case, method, role, correlation(size, true_size))
    nothing = true_size < NO_EFFECT_SHARE * true_size.max()
    largest = float(size[nothing].max() / true_size.max()) if nothing.any() else float("nan")
    yield Answer(INVENTED, case, method, role, largest)


def _of_verdicts(
    case: str, method: str, table: pd.DataFrame, predicted: dict[str, Array], exact: dict[str, Array], region: Array
) -> Iterator[Answer]:
    """How many of the 12 effects are supported in every condition, and whether these are right."""
    right = list[bool]()
    for (silenced, target), rows in table.groupby(["acts_on", "target"]):
        if silenced != target and (rows["verdict"] == "supported").all():
            units = region == target
            error = predicted[str(silenced)][units] - exact[str(silenced)][units]
            right.append(bool((error**2).sum() <= (1 - RIGHT_R2) * (exact[str(silenced)][units] ** 2).sum()))
    yield Answer(SUPPORTED, case, method, "model", float(len(right)))
    yield Answer(RIGHT, case, method, "model", float(np.mean(right)) if right else float("nan"))


def _baselines(case: str, r: Array, scale: Array, truth: Truth, exact: dict[str, Array]) -> Iterator[Answer]:
    """The same questions to measures of pairs of units, on the same training trials."""
    names = [str(name) for name in np.unique(truth.region)]
    different = ~np.eye(len(names), dtype=bool)
    exists = pairs.between_regions(truth.J, truth.region)[1] > 0
    measures = {
        "VAR(1) ridge": pairs.autoregression(r),
        "lagged regression": pairs.lagged_regression(r),
        "partial correlation": pairs.partial_correlation(r),
    }
    for name, measure in measures.items():
        blocks = pairs.between_regions(measure, truth.region)[1]
        value = float(roc_auc_score(exists[different], blocks[different]))
        yield Answer(BLOCKS, case, name, "baseline", value)
    sd = r.std((0, 1)) * scale
    mean = r.mean((0, 1)) * scale
    for name, weights in {"correlation": pairs.correlation(r), "VAR(1) ridge": measures["VAR(1) ridge"]}.items():
        predicted = {
            area: -sd * (weights[:, truth.region == area] @ (mean / np.maximum(sd, 1e-9))[truth.region == area])
            for area in names
        }
        yield from _of_silencing(case, name, "baseline", predicted, exact, truth.region)
    yield from _of_silencing(case, "sd at rest", "baseline", dict.fromkeys(names, -sd), exact, truth.region)
    constant = {area: np.full(len(sd), exact[area][truth.region != area].mean()) for area in names}
    yield from _of_silencing(case, "a constant", "baseline", constant, exact, truth.region)


def _rms(values: Array) -> float:
    return float(np.sqrt((values**2).mean()))
