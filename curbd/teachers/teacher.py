"""A recording and the network that made it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from curbd.network.equation import Network, simulate

Array = np.ndarray
CLIP = 0.9999
"""Largest absolute rate after division by the maximum and after noise: atanh(1) is infinite."""


class Teacher(NamedTuple):
    """A recording and the network that made it.

    Attributes
    ----------
    rates : (trial, time, unit) rates phi(x) of the states x; with phi = tanh in (-1, 1).
    time_s : (time,) seconds from the start of the trial.
    region : (unit,) region labels.
    inputs : (trial, time, input) recorded inputs.
    input_name : (input,) names of the inputs.
    trials : trial columns, one row per trial.
    network : the true network, whose weights act on ``rates``.
    drive : (trial, time, unit) external current that is not recorded, in the (dimensionless) units of the state x in
        tau dx/dt = -x + J r + B u + b + drive.
    cell_type : (unit,) excitatory, inhibitory or unknown; empty if no unit has a type.
    position : (unit, 3) positions in micrometres; empty if units have no position.
    """

    rates: Array
    time_s: Array
    region: Array
    inputs: Array
    input_name: list[str]
    trials: pd.DataFrame
    network: Network
    drive: Array
    cell_type: tuple[str, ...] = ()
    position: tuple[tuple[float, float, float], ...] = ()


def without_inputs(
    network: Network, region: Array, x0: Array, n_samples: int, *, noise_sd: float, rng: np.random.Generator
) -> Teacher:
    """Simulate a network that receives nothing from outside.

    Parameters
    ----------
    network : the network, without inputs.
    region : (unit,) region labels.
    x0 : (trial, unit) states at the first sample, dimensionless.
    n_samples : number of samples in each trial.
    noise_sd : standard deviation of the noise that is added to the states in each step.
    rng : random generator of the noise.

    Returns
    -------
    The recording together with the network that made it.
    """
    inputs = np.zeros((len(x0), n_samples, 0))
    rates = simulate(network, x0, inputs, noise_sd=noise_sd, rng=rng)
    return Teacher(
        rates=rates,
        time_s=np.arange(n_samples) * network.dt_s,
        region=region,
        inputs=inputs,
        input_name=[],
        trials=pd.DataFrame(index=range(len(x0))),
        network=network,
        drive=np.zeros_like(rates),
    )


def true_current(teacher: Teacher, target: str, source: str) -> Array:
    """Compute the true current from one region to another.

    Parameters
    ----------
    teacher : the recording and its network.
    target, source : names of the regions.

    Returns
    -------
    (trial, time, unit of target) currents, in the (dimensionless) units of the state x.
    """
    block = teacher.network.J[np.ix_(teacher.region == target, teacher.region == source)]
    return teacher.rates[..., teacher.region == source] @ block.T


def states(teacher: Teacher) -> Array:
    """Return the states x = phi^-1(r) of the observed rates: (trial, time, unit)."""
    return teacher.network.nonlinearity.inverse(teacher.rates)
