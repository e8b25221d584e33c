"""How well a fit recovers the true currents, and how well the fit forecasts the activity."""

from __future__ import annotations

import numpy as np

from benchmarks.cases import Case, all_data
from curbd.hidden_inputs.search import infer_hidden_inputs
from curbd.network.equation import free_run
from curbd.network.fit import Fit, States
from curbd.network.residual import one_step_residual
from curbd.scores.r_squared import r_squared, variance_explained
from curbd.states.infer import infer_states

Array = np.ndarray
FORECASTS = ("one_step_r2", "free_run_r2", "free_run_train", "ceiling_r2")


def score(case: Case, fit: Fit) -> dict[str, float]:
    """Scores of one fit to one recording.

    Returns
    -------
    within_r : correlation of the estimated with the true current within a region, over units and time, mean over
        regions.
    cross_r : correlation of the estimated with the true current between regions, mean over ordered pairs of regions.
    cross_r2 : 1 - squared error / variance of the true current about the mean of each unit, mean over pairs.
    cross_r_at_truth, cross_r2_at_truth : cross_r and cross_r2 of the estimated weights at the true rates, so that only
        errors of the weights count.
    cross_ratio : rms of the estimated current divided by the rms of the true current, median over pairs.
    absent_ratio : rms of the estimated current of absent pathways divided by the rms of the true current of the
        others, of means over pathways; NaN where no pathway is absent.
    one_step_r2, free_run_r2 : R2 of forecasts on held-out trials; NaN where a forecast is not defined.
    free_run_train : explained variance about one grand mean (pVar) of the training trials.
    ceiling_r2 : R2 of free runs of the true network on the held-out trials.
    """
    states = inferred(case, fit)
    rates = case.rates if states is None else states.rates
    within, cross, ratios, r2, absent, present = [], [], [], [], [], []
    at_truth, r2_at_truth = [], []
    regions = np.unique(case.region)
    for target in regions:
        for source in regions:
            true, estimate = true_current(case, target, source), estimated_current(case, fit, target, source, rates)
            if not true.any():
                absent.append(_rms(estimate))
            elif target == source:
                within.append(correlation(estimate, true))
            else:
                cross.append(correlation(estimate, true))
                ratios.append(_rms(estimate) / _rms(true))
                r2.append(r_squared(true, estimate))
                present.append(_rms(true))
                perfect = estimated_current(case, fit, target, source, case.teacher.rates[..., case.recorded])
                at_truth.append(correlation(perfect, true))
                r2_at_truth.append(r_squared(true, perfect))
    return {
        "within_r": float(np.mean(within)),
        "cross_r": float(np.mean(cross)),
        "cross_r2": float(np.mean(r2)),
        "cross_r_at_truth": float(np.mean(at_truth)),
        "cross_r2_at_truth": float(np.mean(r2_at_truth)),
        "cross_ratio": float(np.median(ratios)),
        "absent_ratio": float(np.mean(absent) / np.mean(present)) if absent else float("nan"),
    } | _forecasts(case, fit)


def true_current(case: Case, target: str, source: str) -> Array:
    """True current from all units of the source, recorded or not: (training trial, time, recorded unit of target).

    Parameters
    ----------
    case : recording and true network.
    target : region.
    source : region, or ``input:<name>`` for a recorded input.
    """
    teacher = case.teacher
    rows = case.recorded & (teacher.region == target)
    if source.startswith("input:"):
        column = [list(teacher.input_name).index(source.removeprefix("input:"))]
        return teacher.inputs[: case.n_train][..., column] @ teacher.network.B[np.ix_(rows, column)].T
    columns = teacher.region == source
    return teacher.rates[: case.n_train][..., columns] @ teacher.network.J[np.ix_(rows, columns)].T


def estimated_current(case: Case, fit: Fit, target: str, source: str, rates: Array) -> Array:
    """Current of a fit from source to target: (training trial, time, recorded unit of target).

    Parameters
    ----------
    case : recording.
    fit : its weights send the current.
    target, source : regions.
    rates : (trial, time, recorded unit) rates at which the current is evaluated.
    """
    block = fit.network.J[np.ix_(case.region == target, case.region == source)]
    return rates[: case.n_train][..., case.region == source] @ block.T


def inferred(case: Case, fit: Fit) -> States | None:
    """Rates of all trials that a fit infers from noisy rates; None for a fit that infers no rates."""
    data = all_data(case)
    return infer_states(fit, data, data.trial < case.n_train, np.random.default_rng(0)).states


def known_inputs(case: Case, fit: Fit) -> Array:
    """(trial, time, input) inputs of all trials that the network of a fit receives: recorded, then inferred inputs."""
    recorded = case.teacher.inputs
    hidden = infer_hidden_inputs(fit, all_data(case)).hidden
    return recorded if hidden is None else np.concatenate([recorded, hidden.values], axis=2)


def correlation(a: Array, b: Array) -> float:
    """Pearson correlation over all entries, 0 where an array is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0


def _forecasts(case: Case, fit: Fit) -> dict[str, float]:
    n, teacher, network = case.n_train, case.teacher, fit.network
    if np.abs(case.rates).max() >= 1:
        # Single spike counts lie outside (-1, 1): no state belongs to them from which a run could start.
        return dict.fromkeys(FORECASTS, float("nan"))
    inputs = known_inputs(case, fit)
    run = free_run(network, case.rates[:n], inputs[:n])
    scores = dict.fromkeys(FORECASTS, float("nan"))
    scores["free_run_train"] = variance_explained(case.rates[:n], run)
    r, u = case.rates[n:], inputs[n:]
    if len(r):
        residual = one_step_residual(network, r, u)
        true_run = free_run(teacher.network, teacher.rates[n:], teacher.inputs[n:], drive=teacher.drive[n:])
        scores |= {
            "one_step_r2": r_squared(residual.y, residual.y - residual.error),
            "free_run_r2": r_squared(r, free_run(network, r, u)),
            "ceiling_r2": r_squared(r, true_run[..., case.recorded]),
        }
    return scores


def _rms(values: Array) -> float:
    return float(np.sqrt((values**2).mean()))
