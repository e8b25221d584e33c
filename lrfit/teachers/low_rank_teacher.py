"""A low-rank network as a teacher: recordings of its units, and its output."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.network.equation import Network, simulate
from curbd.network.nonlinearity import TANH
from curbd.teachers import Teacher
from lrfit.teachers.tasks import Task

Array = np.ndarray
NOISE_SD = 0.05
"""Standard deviation of the process noise that is added to x in every step, as in the publications."""


class LowRankTeacher(NamedTuple):
    """A constructed low-rank network, with its latents, output and start.

    Attributes
    ----------
    network : the network with recurrent weights J = m n'.
    m, n : (unit, rank) left and right factors of J; the latents are n' r.
    readout : (output, unit) weights of the output, which is readout r.
    region : (unit,) region labels.
    population : (unit,) index of each unit's population.
    start : (unit,) state x at the start of a trial, dimensionless.
    """

    network: Network
    m: Array
    n: Array
    readout: Array
    region: Array
    population: Array
    start: Array


def record(
    teacher: LowRankTeacher, task: Task, rng: np.random.Generator, *, noise_sd: float = NOISE_SD, spread: float = 0.0
) -> Teacher:
    """Simulate a network on the trials of a task and return the result as a recording with known currents.

    Rates are NaN past the end of a trial.

    Parameters
    ----------
    teacher : the network to simulate.
    task : inputs and lengths of the trials.
    rng : random generator of the noise and of the states at the start.
    noise_sd : standard deviation of the noise that is added to the state x in every step.
    spread : standard deviation over trials of the positions of the latents at the start of a trial.

    Returns
    -------
    The recording together with the network that made it.
    """
    n_trials, n_samples = task.inputs.shape[:2]
    x0 = teacher.start + spread * rng.standard_normal((n_trials, teacher.m.shape[1])) @ teacher.m.T
    rates = simulate(teacher.network, x0, task.inputs, noise_sd=noise_sd, rng=rng)
    rates[np.arange(n_samples) >= task.length[:, None]] = np.nan
    return Teacher(
        rates=rates,
        time_s=np.arange(n_samples) * task.dt_s,
        region=teacher.region,
        inputs=task.inputs,
        input_name=task.input_name,
        trials=task.trials,
        network=teacher.network,
        drive=np.zeros_like(rates),
    )


def start_rates(teacher: LowRankTeacher, inputs: Array) -> Array:
    """Repeat the rates at the start of a trial in all trials and bins, as `curbd.network.equation.free_run` takes them.

    Parameters
    ----------
    teacher : the network whose state at the start is used.
    inputs : (trial, time, input) inputs of the simulation; the rates get the same number of trials and bins.

    Returns
    -------
    (trial, time, unit) rates.
    """
    return np.broadcast_to(TANH.phi(teacher.start), (*inputs.shape[:2], len(teacher.start)))


def output(teacher: LowRankTeacher, rates: Array) -> Array:
    """Return the output of a network (trial, time, output) at given rates (trial, time, unit)."""
    return rates @ teacher.readout.T
