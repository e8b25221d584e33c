"""What a fit recovered of the true currents, beside what its forecasts look like."""

from __future__ import annotations

import numpy as np

from benchmarks.cases import Case
from curbd.ensemble import Fit
from curbd.scores import free_run, one_step_residual, r_squared, variance_explained

Array = np.ndarray


def score(case: Case, fit: Fit) -> dict[str, float]:
    """Scores of one fit to one recording.

    Returns
    -------
    within_r, cross_r : correlation of the estimated with the true current over units and time, mean over regions and
        over ordered pairs of regions. cross_r2 : 1 - squared error / variance of the true current of each unit about
        its mean, mean over pairs. cross_ratio : rms of the estimated over that of the true current, median over
        pairs. absent_ratio : rms of the current of an absent pathway over the mean rms of those that are there.
        one_step_r2, free_run_r2 : held-out trials. free_run_train : explained variance about one grand mean (pVar)
        of the training trials. ceiling_r2 : free run of the true network on the held-out trials.
    """
    within, cross, ratios, r2, absent, present = [], [], [], [], [], []
    regions = np.unique(case.region)
    for target in regions:
        for source in regions:
            true, estimate = true_current(case, target, source), estimated_current(case, fit, target, source)
            if not true.any():
                absent.append(_rms(estimate))
            elif target == source:
                within.append(correlation(estimate, true))
            else:
                cross.append(correlation(estimate, true))
                ratios.append(_rms(estimate) / _rms(true))
                r2.append(r_squared(true, estimate))
                present.append(_rms(true))
    return {
        "within_r": float(np.mean(within)),
        "cross_r": float(np.mean(cross)),
        "cross_r2": float(np.mean(r2)),
        "cross_ratio": float(np.median(ratios)),
        "absent_ratio": float(np.mean(absent) / np.mean(present)) if absent else float("nan"),
    } | _forecasts(case, fit)


def true_current(case: Case, target: str, source: str) -> Array:
    """(training trial, time, recorded unit of target) current that all units of the source really send."""
    teacher = case.teacher
    rows, columns = case.recorded & (teacher.region == target), teacher.region == source
    return teacher.rates[: case.n_train][..., columns] @ teacher.network.J[np.ix_(rows, columns)].T


def estimated_current(case: Case, fit: Fit, target: str, source: str) -> Array:
    """The same, as the fit has it: its weights on the observed rates."""
    block = fit.network.J[np.ix_(case.region == target, case.region == source)]
    return case.rates[: case.n_train][..., case.region == source] @ block.T


def correlation(a: Array, b: Array) -> float:
    """Pearson correlation over all entries, 0 where one of them is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0


def _forecasts(case: Case, fit: Fit) -> dict[str, float]:
    n, teacher, network = case.n_train, case.teacher, fit.network
    running = free_run(network, case.rates[:n], teacher.inputs[:n])
    scores = {
        "one_step_r2": float("nan"),
        "free_run_r2": float("nan"),
        "free_run_train": variance_explained(case.rates[:n], running),
        "ceiling_r2": float("nan"),
    }
    r, u = case.rates[n:], teacher.inputs[n:]
    if len(r):
        residual = one_step_residual(network, r, u)
        truly = free_run(teacher.network, teacher.rates[n:], u, teacher.drive[n:])
        scores |= {
            "one_step_r2": r_squared(residual.y, residual.y - residual.error),
            "free_run_r2": r_squared(r, free_run(network, r, u)),
            "ceiling_r2": r_squared(r, truly[..., case.recorded]),
        }
    return scores


def _rms(values: Array) -> float:
    return float(np.sqrt((values**2).mean()))
