"""How far a slow mode can be believed: line-attractor score, non-normality, and the warning that goes with both.

A network that was fitted to some of the units invents slow modes: of a delay line whose eigenvalues are all 0, the fit
to its first 25 units has an eigenvalue near 1 (Qian et al. 2024). Every statement on attractors carries `WARNING`.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray
WARNING = "partial observation: line attractor may be spurious"


def line_attractor_score(eigenvalues: Array) -> float:
    """LAS = log2(tau_1 / tau_2), tau_k = |1 / (1 - Re lambda_k)| for the two eigenvalues of the largest real part.

    A score of 1 says that the slowest direction is twice as slow as the next.

    Parameters
    ----------
    eigenvalues : (mode,) of the connectivity at a fixed point, without the leak, two at least; those of a low-rank
        network include the zeros of all directions that no latent reads.
    """
    real = np.sort(eigenvalues.real)[::-1]
    slowness = np.abs(1 - real[:2])
    return float(np.log2(max(slowness[1], 1e-12) / max(slowness[0], 1e-12)))


def non_normality(squares: float, eigenvalues: Array) -> float:
    """Henrici's departure from normality, sqrt(|F|^2 - sum |lambda|^2) / |F|: 0 for a normal, 1 for a nilpotent matrix.

    Eigenvalues of a strongly non-normal matrix say little: small changes of the weights move them far.

    Parameters
    ----------
    squares : sum of squares of the matrix F.
    eigenvalues : (mode,) of F; zeros do not count.
    """
    return float(np.sqrt(abs(squares - (np.abs(eigenvalues) ** 2).sum()) / squares)) if squares else 0.0


def abscissa(m: Array, n: Array) -> float:
    """The largest eigenvalue of the symmetric part of m n': no eigenvalue of any part of it has a larger real part.

    It bounds how fast the states can grow for a moment; far above the largest eigenvalue, transients rule.

    Parameters
    ----------
    m, n : (unit, rank).
    """
    joint, _ = np.linalg.qr(np.concatenate([m, n], axis=1))
    small = (joint.T @ m) @ (joint.T @ n).T
    return float(np.linalg.eigvalsh((small + small.T) / 2)[-1])
