"""Full-rank networks that are trained on a task: rank and mechanism emerge from the training.

All weights are trained by gradient descent through time (Adam), from random weights and with noise of standard
deviation .05 per step; long delays are reached in stages. Publication: Valente, Pillow & Ostojic, NeurIPS 2022.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.equation import Network
from lrfit.teachers.low_rank_teacher import NOISE_SD
from lrfit.teachers.tasks import TAU_S, Task, contextual_decision, delayed_match

Array = np.ndarray
Make = Callable[[int, np.random.Generator], Task]
TRAINED_UNITS = 128
TRIALS_PER_BATCH = 32
LEARNT_BATCHES = 10
"""A task counts as learnt after this number of good batches in a row."""


class Trained(NamedTuple):
    """A network that was trained on a task, with its readout.

    Attributes
    ----------
    network : the network, of full rank.
    readout : (output, unit) weights of the output, which is readout r.
    """

    network: Network
    readout: Array


class Stage(NamedTuple):
    """One stage of the training: trials of a task and the settings of Adam.

    Attributes
    ----------
    make : function (number of trials, random generator) -> trials of a task.
    learning_rate : learning rate of Adam.
    steps : largest number of gradient steps.
    """

    make: Make
    learning_rate: float
    steps: int


def trained_contextual_decision(seed: int) -> Trained:
    """Train a network on the context-dependent decision task."""
    return train([Stage(contextual_decision, 2e-3, 400)], TRAINED_UNITS, 0.1, seed)


def trained_delayed_match(seed: int) -> Trained:
    """Train a network to compare two stimuli over a delay of up to 150 steps."""
    stages = [
        Stage(partial(delayed_match, longest_delay=delay), 1e-3, steps)
        for delay, steps in ((10, 500), (40, 150), (150, 80))
    ]
    return train(stages, TRAINED_UNITS, 0.5, seed, max_gradient_norm=0.02, good_error=0.004)


def train(
    stages: Sequence[Stage],
    units: int,
    gain: float,
    seed: int,
    *,
    max_gradient_norm: float = 1.0,
    good_error: float = 0.02,
) -> Trained:
    """Train recurrent weights, input weights and readout on a task in stages; a stage ends once the task is learnt.

    Parameters
    ----------
    stages : stages of the training, one after another.
    units : number of units.
    gain : initial recurrent weights are drawn from a normal distribution of mean 0 and variance gain^2 / units.
    seed : seed for the weights, the trials and the noise.
    max_gradient_norm : norm to which gradients are clipped. Through a delay their norm varies by orders of magnitude;
        networks learn to remember reliably only with small gradients.
    good_error : mean squared error of the output below which a batch is good. One good batch is not enough, as a
        network that has just learnt to remember still forgets under noise from time to time.

    Returns
    -------
    The trained network and its readout.
    """
    rng = np.random.default_rng(seed)
    example = stages[0].make(1, rng)
    n_inputs, n_outputs = example.inputs.shape[2], example.target.shape[2]
    step = example.dt_s / TAU_S
    J, B, readout = (
        torch.tensor(scale * rng.standard_normal(shape), dtype=torch.float32, requires_grad=True)
        for scale, shape in (
            (gain / np.sqrt(units), (units, units)),
            (1.0, (units, n_inputs)),
            (1 / units, (n_outputs, units)),
        )
    )
    for stage in stages:
        adam = torch.optim.Adam([J, B, readout], lr=stage.learning_rate)
        learnt = 0
        for _ in range(stage.steps):
            task = stage.make(TRIALS_PER_BATCH, rng)
            u, target, mask = (_tensor(values) for values in (task.inputs, task.target, task.mask[..., None]))
            noise = _tensor(NOISE_SD * rng.standard_normal((u.shape[1], TRIALS_PER_BATCH, units)))
            x, external, outputs = torch.zeros(TRIALS_PER_BATCH, units), u @ B.T, []
            for t in range(u.shape[1]):
                r = torch.tanh(x)
                outputs.append(r @ readout.T)
                x = x + step * (r @ J.T + external[:, t] - x) + noise[t]
            loss = (mask * (torch.stack(outputs, 1) - target)).square().sum() / mask.sum()
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_([J, B, readout], max_gradient_norm)
            adam.step()
            learnt = learnt + 1 if float(loss.detach()) < good_error else 0
            if learnt == LEARNT_BATCHES:
                break
    weights, inputs, out = (parameter.detach().numpy().astype(float) for parameter in (J, B, readout))
    network = Network(J=weights, B=inputs, b=np.zeros(units), tau_s=TAU_S, dt_s=example.dt_s)
    return Trained(network, out)


def _tensor(values: Array) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)
