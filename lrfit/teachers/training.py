"""Networks of full rank that are trained on a task, so that their rank and mechanism are nobody's choice.

Training as in Valente, Pillow & Ostojic (NeurIPS 2022): gradient descent through time (Adam) on all weights, noise of
.05 a step, random weights of a given gain at the start; long delays are reached in stages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.equation import Network
from lrfit.teachers.by_hand import NOISE_SD
from lrfit.teachers.tasks import TAU_S, Task, contextual_decision, delayed_match

Array = np.ndarray
Make = Callable[[int, np.random.Generator], Task]
BATCH = 32


class Trained(NamedTuple):
    """A network of full rank and its readout (output, unit): the output is readout r."""

    network: Network
    readout: Array


class Stage(NamedTuple):
    """Trials to train on, the learning rate, and the gradient steps at most."""

    make: Make
    learning_rate: float
    steps: int


def trained_contextual_decision(seed: int, *, units: int = 128) -> Trained:
    """A network that learnt the contextual decision."""
    return train([Stage(contextual_decision, 2e-3, 400)], units, 0.1, seed)


def trained_delayed_match(seed: int, *, units: int = 128) -> Trained:
    """A network that learnt to compare two stimuli over a delay of up to 150 steps."""
    stages = [
        Stage(partial(delayed_match, longest_delay=delay), 1e-3, steps)
        for delay, steps in ((10, 500), (40, 150), (150, 80))
    ]
    return train(stages, units, 0.5, seed, longest_gradient=0.02, good=0.004)


def train(
    stages: Sequence[Stage],
    units: int,
    gain: float,
    seed: int,
    *,
    longest_gradient: float = 1.0,
    good: float = 0.02,
) -> Trained:
    """Train weights, inputs and readout on one stage after another; each ends early once the task is learnt.

    Parameters
    ----------
    gain : the weights at the start are N(0, gain^2 / units).
    longest_gradient : length to which gradients are cut. Through a delay their length varies by orders of magnitude;
        only short ones learn to remember reliably.
    good : mean squared error of the output that counts as learnt, ten batches in a row. A network that has just learnt
        to remember still forgets under noise now and then.
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
            task = stage.make(BATCH, rng)
            u, target, mask = (_tensor(part) for part in (task.inputs, task.target, task.mask[..., None]))
            noise = _tensor(NOISE_SD * rng.standard_normal((u.shape[1], BATCH, units)))
            x, external, outputs = torch.zeros(BATCH, units), u @ B.T, []
            for t in range(u.shape[1]):
                r = torch.tanh(x)
                outputs.append(r @ readout.T)
                x = x + step * (r @ J.T + external[:, t] - x) + noise[t]
            loss = (mask * (torch.stack(outputs, 1) - target)).square().sum() / mask.sum()
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_([J, B, readout], longest_gradient)
            adam.step()
            learnt = learnt + 1 if float(loss.detach()) < good else 0
            if learnt == 10:
                break
    weights, inputs, out = (part.detach().numpy().astype(float) for part in (J, B, readout))
    return Trained(Network(weights, inputs, np.zeros(units), TAU_S, example.dt_s), out)


def _tensor(values: Array) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)
