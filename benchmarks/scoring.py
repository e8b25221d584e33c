"""What a fit recovered of the true currents, beside what its forecasts look like."""

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
    within_r, cross_r : correlation of the estimated with the true current over units and time, mean over regions and
        over ordered pairs of regions. cross_r2 : 1 - squared error / variance of the true current of each unit about
        its mean, mean over pairs. cross_r_at_truth, cross_r2_at_truth : the same for the estimated weights on the
        true rates, so that only the weights count. cross_ratio : rms of the estimated over that of the true current,
        median over pairs. absent_ratio : rms of the current of an absent pathway over the mean rms of the others.
        one_step_r2, free_run_r2 : held-out trials. free_run_train : explained variance about one grand mean (pVar)
        of the training trials. ceiling_r2 : free run of the true network on the held-out trials.
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
    """(training trial, time, recorded unit of target) current that all units of the source really send."""
    teacher = case.teacher
    rows, columns = case.recorded & (teacher.region == target), teacher.region == source
    return teacher.rates[: case.n_train][..., columns] @ teacher.network.J[np.ix_(rows, columns)].T


def estimated_current(case: Case, fit: Fit, target: str, source: str, rates: Array) -> Array:
    """The same, as the fit has it: its weights on the rates (trial, time, recorded unit)."""
    block = fit.network.J[np.ix_(case.region == target, case.region == source)]
    return rates[: case.n_train][..., case.region == source] @ block.T


def inferred(case: Case, fit: Fit) -> States | None:
    """The rates of all trials that a fit infers behind noisy ones, where the product evaluates currents; else None."""
    data = all_data(case)
    return infer_states(fit, data, data.trial < case.n_train, np.random.default_rng(0)).states


def known_inputs(case: Case, fit: Fit) -> Array:
    """(trial, time, input) of all trials, as the network of the fit expects them: recorded, then inferred ones."""
    recorded = case.teacher.inputs
    hidden = infer_hidden_inputs(fit, all_data(case)).hidden
    return recorded if hidden is None else np.concatenate([recorded, hidden.values], axis=2)


def correlation(a: Array, b: Array) -> float:
    """Pearson correlation over all entries, 0 where one of them is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0


def _forecasts(case: Case, fit: Fit) -> dict[str, float]:
    n, teacher, network = case.n_train, case.teacher, fit.network
    if np.abs(case.rates).max() >= 1:
        # Single spike counts are no states to start from.
        return dict.fromkeys(FORECASTS, float("nan"))
    inputs = known_inputs(case, fit)
    running = free_run(network, case.rates[:n], inputs[:n])
    scores = dict.fromkeys(FORECASTS, float("nan"))
    scores["free_run_train"] = variance_explained(case.rates[:n], running)
    r, u = case.rates[n:], inputs[n:]
    if len(r):
        residual = one_step_residual(network, r, u)
        truly = free_run(teacher.network, teacher.rates[n:], teacher.inputs[n:], drive=teacher.drive[n:])
        scores |= {
            "one_step_r2": r_squared(residual.y, residual.y - residual.error),
            "free_run_r2": r_squared(r, free_run(network, r, u)),
            "ceiling_r2": r_squared(r, truly[..., case.recorded]),
        }
    return scores


def _rms(values: Array) -> float:
    return float(np.sqrt((values**2).mean()))
