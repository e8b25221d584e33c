"""The published CURBD training in plain NumPy, step by step as published: the reference for time and recovery.

Publication: Perich et al., bioRxiv 2020.12.18.423348. A random network runs with frozen input noise; whenever a data
sample is due, recursive least squares moves all weights so that the rates come closer to that sample. Passes over the
data are repeated, and the weights and the inverse correlation matrix persist. Questionable choices of the published
code are kept: recorded rates are used as currents at the start, sample k is compared with the rates of sample k + 1,
and steps are counted by adding up times.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray
SUBSTEPS = 5
"""Euler steps of the network in one sample."""
WEIGHT_GAIN = 1.5
"""The weights at the start are N(0, WEIGHT_GAIN^2 / units)."""
TAU_S = 0.1
"""Time constant of the units and of their input noise, s."""
NOISE_AMPLITUDE = 0.01
"""Amplitude of the input noise, dimensionless, the units of x in tau dx/dt = -x + J r + noise."""
INVERSE_CORRELATION = 1.0
"""The inverse correlation matrix at the start is this number times the identity."""
SEED = 0
"""Seed of the weights, the noise and the order in which weights learn."""


class Training(NamedTuple):
    """A trained network.

    Attributes
    ----------
    J : (target, source) weights.
    rates : (unit, step) rates in the last pass.
    p_var : variance explained in every pass, while the weights learn.
    """

    J: Array
    rates: Array
    p_var: list[float]


def train(
    activity: Array,
    *,
    passes: int,
    dt_s: float,
    chosen: bool = True,
    substeps: int = SUBSTEPS,
) -> Training:
    """Train a network on one stretch of activity.

    Parameters
    ----------
    activity : (unit, time) activity, in any unit; it is divided by its maximum.
    passes : number of passes over the data.
    dt_s : sample step, s.
    chosen : True lays the update out as the public code does: the weights that learn are picked by their presynaptic
        unit (all units, in random order), and vectors are columns. False updates all weights at once, which is the same
        algorithm in a fraction of the time.
    substeps : Euler steps of the network in one sample.
    """
    rng = np.random.default_rng(SEED)
    data = np.clip(activity / activity.max(), -0.999, 0.999)
    n, n_samples = data.shape
    n_steps, step_s = (n_samples - 1) * substeps + 1, dt_s / substeps
    w = _input_noise(rng, n, n_steps, step_s)
    J = WEIGHT_GAIN * rng.standard_normal((n, n)) / np.sqrt(n)
    P = INVERSE_CORRELATION * np.eye(n)
    learning = rng.permutation(n)
    R = np.empty((n, n_steps))
    p_var = []
    for _ in range(passes):
        h, elapsed, sample = data[:, 0].copy(), 0.0, 0
        R[:, 0] = np.tanh(h)
        for step in range(1, n_steps):
            elapsed += step_s
            R[:, step] = np.tanh(h)
            h = h + step_s / TAU_S * (-h + J @ R[:, step] + w[:, step])
            if elapsed >= dt_s:
                elapsed = 0.0
                error = R[:, step] - data[:, sample]
                sample += 1
                if chosen:
                    r = R[learning, step][:, None]
                    q = P.dot(r)
                    c = 1 / (1 + r.T.dot(q)[0, 0])
                    P = P - c * q.dot(q.T)
                    J[:, learning] = J[:, learning] - c * np.outer(error, q)
                else:
                    q = P @ R[:, step]
                    c = 1 / (1 + R[:, step] @ q)
                    P = P - c * np.outer(q, q)
                    J = J - c * np.outer(error, q)
        missed = np.linalg.norm(data - R[:, ::substeps])
        p_var.append(float(1 - (missed / (np.sqrt(data.size) * data.std())) ** 2))
    return Training(J, R, p_var)


def _input_noise(rng: np.random.Generator, n: int, n_steps: int, step_s: float) -> Array:
    white = np.sqrt(TAU_S / step_s) * rng.standard_normal((n, n_steps))
    w = np.ones((n, n_steps))
    for step in range(1, n_steps):
        w[:, step] = white[:, step] + (w[:, step - 1] - white[:, step]) * np.exp(-step_s / TAU_S)
    return NOISE_AMPLITUDE * w
