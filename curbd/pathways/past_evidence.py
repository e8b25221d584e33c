"""Whether the current depends on the past, by the evidence, and what the past adds to the prediction of the current."""

from __future__ import annotations

import numpy as np
import torch

from curbd.pathways.past_regression import RESIDUAL_ROUNDING_SHARE
from curbd.pathways.tridiagonal import Tridiagonal
from curbd.regression.moments import Moments, cholesky
from curbd.regression.symmetric_products import scatter

PAST_PENALTIES = 10.0 ** np.arange(-2, 9, 0.25)
"""Penalties on the past that are tried, for regressors of unit power."""


def log_odds(m: Moments, n_present: int, ridge: torch.Tensor) -> tuple[float, float]:
    """Compute the log Bayes factor for a dependence of the current on additional regressors.

    The Bayes factor compares the evidence with and without the additional regressors. The additional regressors share
    one penalty, the best of `PAST_PENALTIES`.

    Parameters
    ----------
    m : moments of the currents of some units on the regressors of the present, followed by the additional regressors.
    n_present : number of regressors of the present.
    ridge : (regressor of the present,) penalties on the regressors of the present.

    Returns
    -------
    The log Bayes factor in nats, at least 0, and the best penalty on the additional regressors.
    """
    present, further = slice(n_present), slice(n_present, None)
    factor = cholesky(m.ZZ[present, present] + torch.diag(ridge))
    added_by_present = torch.linalg.solve_triangular(factor, m.ZZ[present, further], upper=False)
    current_by_present = torch.linalg.solve_triangular(factor, m.YZ[:, present].T, upper=False)
    # The additional regressors minus what the present regressors explain of them.
    left = m.ZZ[further, further] - scatter(added_by_present)
    product = m.YZ[:, further].T - added_by_present.T @ current_by_present
    further_alone = Tridiagonal.of(left.cpu().numpy(), product.cpu().numpy())
    squares = m.YY.cpu().numpy()
    unexplained = np.maximum(
        squares - current_by_present.square().sum(0).cpu().numpy(), RESIDUAL_ROUNDING_SHARE * squares
    )
    evidence = np.full(len(PAST_PENALTIES), -np.inf)
    for index, penalty in enumerate(PAST_PENALTIES):
        solved = further_alone.penalised(penalty)
        if solved is not None:
            gain = solved.forms / np.maximum(unexplained, 1e-300)
            fit = -float(m.n) * np.log(np.maximum(1 - gain, RESIDUAL_ROUNDING_SHARE)).sum()
            evidence[index] = fit - len(squares) * (solved.log_determinant - len(left) * np.log(penalty))
    best = int(evidence.argmax())
    return max(float(evidence[best]) / 2, 0.0), float(PAST_PENALTIES[best])


def gained_share(nats: float, n_values: float) -> float:
    """Convert a log Bayes factor to the share by which it lowers the squared error of predictions.

    The evidence is the probability of every value given all values before it. A log Bayes factor of L nats over n
    values is therefore what a prediction gains whose squared error falls by the factor exp(-2 L / n). Unlike the Bayes
    factor, the share does not grow with the number of values.

    Parameters
    ----------
    nats : log Bayes factor, at least 0.
    n_values : number of values that are predicted: bins times units.

    Returns
    -------
    The share, from 0 to 1.
    """
    return float(-np.expm1(-2 * nats / n_values)) if n_values else 0.0
