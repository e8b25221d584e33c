"""How far a slow mode can be believed: line-attractor score, non-normality, and the warning that accompanies them.

A network that was fitted to some of the units has slow modes that the true network lacks: all eigenvalues of a delay
line are 0, yet the fit to its first 25 units has an eigenvalue near 1 (Qian et al. 2024). Every statement about
attractors therefore carries `WARNING`.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray
WARNING = "partial observation: line attractor may be spurious"


def line_attractor_score(eigenvalues: Array) -> float:
    """LAS = log2(tau_1 / tau_2), tau_k = |1 / (1 - Re lambda_k)| for the two eigenvalues of the largest real part.

    At a score of 1 the slowest direction is twice as slow as the next one.

    Parameters
    ----------
    eigenvalues : (mode,) at least two eigenvalues of the connectivity at a fixed point, without the leak. The zeros of
        all directions that no latent reads belong to the eigenvalues of a low-rank network.
    """
    real = np.sort(eigenvalues.real)[::-1]
    rates = np.abs(1 - real[:2])
    return float(np.log2(max(rates[1], 1e-12) / max(rates[0], 1e-12)))


def non_normality(sum_of_squares: float, eigenvalues: Array) -> float:
    """Henrici's departure from normality, sqrt(|F|^2 - sum |lambda|^2) / |F|: 0 for a normal, 1 for a nilpotent matrix.

    Eigenvalues of a strongly non-normal matrix say little, as small changes of the weights move them far.

    Parameters
    ----------
    sum_of_squares : sum of the squares of all entries of the matrix F.
    eigenvalues : (mode,) eigenvalues of F; zeros may be left out.
    """
    if not sum_of_squares:
        return 0.0
    return float(np.sqrt(abs(sum_of_squares - (np.abs(eigenvalues) ** 2).sum()) / sum_of_squares))


def abscissa(m: Array, n: Array) -> float:
    """Numerical abscissa of m n', the largest eigenvalue of its symmetric part.

    It bounds the rate at which states can grow for a moment, and the real part of every eigenvalue. Where it is far
    above the largest eigenvalue, transients dominate.

    Parameters
    ----------
    m, n : (unit, rank) factors.
    """
    joint, _ = np.linalg.qr(np.concatenate([m, n], axis=1))
    small = (joint.T @ m) @ (joint.T @ n).T
    return float(np.linalg.eigvalsh((small + small.T) / 2)[-1])
