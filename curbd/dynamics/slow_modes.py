"""How far a slow mode can be believed: line-attractor score, non-normality, and the warning that accompanies them.

A network that was fitted to a subset of the units can have slow modes that the true network lacks: all eigenvalues of a
delay line are 0, yet the fit to its first 25 units has an eigenvalue near 1 (Qian et al. 2024). Every statement about
attractors therefore carries `WARNING`.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.signal import lfilter

Array = np.ndarray
WARNING = "partial observation: line attractor may be spurious"
UNITS_PER_RECORDED_UNIT = 20
"""Units of the delay line of `delay_line_test` for each recorded unit, as in the publication (25 of 500)."""
MAX_DELAY_LINE_UNITS = 100


def line_attractor_score(eigenvalues: Array) -> float:
    """Return the line-attractor score log2(tau_1 / tau_2) of the two slowest modes at a fixed point.

    tau_k = |1 / (1 - Re lambda_k)| is the decay time of mode k in units of the time constant, for the two eigenvalues
    lambda_1 and lambda_2 of largest real part. At a score of 1 the slowest direction is twice as slow as the next one.
    Publication: Qian et al. 2024.

    Parameters
    ----------
    eigenvalues : (mode,) at least two eigenvalues of the effective connectivity at the fixed point, without the leak.
        For a low-rank network, the eigenvalues must include the zeros of all directions of state space that drive no
        latent.

    Returns
    -------
    The score; a very large number if the slowest mode does not decay.
    """
    real = np.sort(eigenvalues.real)[::-1]
    rates = np.abs(1 - real[:2])
    return float(np.log2(max(rates[1], 1e-12) / max(rates[0], 1e-12)))


def non_normality(sum_of_squares: float, eigenvalues: Array) -> float:
    """Return Henrici's departure of a matrix F from normality, between 0 (normal) and 1 (nilpotent).

    The departure is sqrt(|F|^2 - sum |lambda|^2) / |F|, with the Frobenius norm |F| and the eigenvalues lambda of F.
    Eigenvalues of a strongly non-normal matrix are hardly informative, because small changes of the weights move them
    far.

    Parameters
    ----------
    sum_of_squares : sum of the squares of all entries of the matrix F.
    eigenvalues : (mode,) eigenvalues of F; zeros may be left out.

    Returns
    -------
    The departure from normality.
    """
    if not sum_of_squares:
        return 0.0
    return float(np.sqrt(abs(sum_of_squares - (np.abs(eigenvalues) ** 2).sum()) / sum_of_squares))


def abscissa(m: Array, n: Array) -> float:
    """Return the numerical abscissa of J = m n', the largest eigenvalue of the symmetric part of J.

    The abscissa is an upper bound on the rate at which states can grow transiently, and on the real part of every
    eigenvalue. If the abscissa is far above the largest real part of an eigenvalue, transients dominate.

    Parameters
    ----------
    m, n : (unit, rank) left and right factors of J.

    Returns
    -------
    The abscissa.
    """
    joint, _ = np.linalg.qr(np.concatenate([m, n], axis=1))
    small = (joint.T @ m) @ (joint.T @ n).T
    return float(np.linalg.eigvalsh((small + small.T) / 2)[-1])


@cache
def delay_line_seen_in_part(recorded: int, length: int) -> Array:
    """Compute the network that regression makes of the first units of a delay line, in the limit of endless data.

    The delay line is dx = (F - 1) x dt + noise, where F shifts activity from every unit to the next. The true network
    has no slow mode: all eigenvalues of F are 0. The network of the first units has one nevertheless, because it must
    explain the activity that arrives from the units that were not recorded. Publication: Qian et al. 2024.

    Parameters
    ----------
    recorded : number of recorded units, the first units of the line.
    length : number of all units of the line.

    Returns
    -------
    (recorded, recorded) fitted connectivity.
    """
    # The stationary covariance C solves (F - 1) C + C (F - 1)' = -1, row by row from the last unit on.
    row, rows = np.zeros(length), []
    for unit in reversed(range(length)):
        incoming = row.copy()
        incoming[unit] += 1
        row = lfilter([0.5], [1.0, -0.5], incoming[::-1])[::-1]
        if unit <= recorded:
            rows.append(row[:recorded])
    covariance = np.array(rows[::-1])
    fitted = np.eye(recorded, k=1)
    fitted[-1] = np.linalg.solve(covariance[:recorded], covariance[recorded])
    return fitted


class DelayLine(NamedTuple):
    """What a delay line without any slow mode looks like when few of its units are recorded.

    Attributes
    ----------
    eigenvalue : largest real part of an eigenvalue of the fitted connectivity; 1 would be a perfect integrator.
    score : line-attractor score of the fitted connectivity.
    """

    eigenvalue: float
    score: float


def delay_line_test(n_units: int) -> DelayLine:
    """Return the slow mode that a delay line of `UNITS_PER_RECORDED_UNIT` times as many units shows in a fit.

    A slow mode of a fit that is no slower than this one is what partial observation makes of a purely feed-forward
    network; a slower mode is not explained by this example, and still not proved.

    Parameters
    ----------
    n_units : number of recorded units; more than `MAX_DELAY_LINE_UNITS` count as so many.

    Returns
    -------
    Eigenvalue and score of the delay line.
    """
    recorded = max(2, min(n_units, MAX_DELAY_LINE_UNITS))
    eigenvalues = np.linalg.eigvals(delay_line_seen_in_part(recorded, UNITS_PER_RECORDED_UNIT * recorded))
    return DelayLine(float(eigenvalues.real.max()), line_attractor_score(eigenvalues))
