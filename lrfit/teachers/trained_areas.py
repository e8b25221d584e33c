"""Relu networks of four areas that are trained on a decision task, with few excitatory weights between areas.

Trained networks differ from networks of random weights in what makes currents hard to estimate: the activity of 160
units has a few dimensions, which all areas share, and many units are silent for half of the time. The task is that of a
checkerboard whose colour is to be matched to one of two targets (Chandrasekaran, Peixoto, Newsome & Shenoy, Nature
Communications 2017; networks of several areas: Kleinman, Chandrasekaran & Kao, NeurIPS 2021): the targets reach the
second area, the coherence of the colours the first, and the choice is read from the fourth. Within an area all units
are connected, and a fifth of them inhibits; weights between areas are excitatory and sparse. All weights are trained by
gradient descent through time (Adam) with noise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from curbd.network.equation import Network
from curbd.network.nonlinearity import RELU
from curbd.teachers import Teacher

Array = np.ndarray
AREAS = ("area1", "area2", "area3", "area4")
FORWARD = ((1, 0), (2, 1), (3, 2))
"""Blocks (target area, source area) that always exist."""
OTHERS = ((0, 1), (1, 2), (2, 3), (0, 2), (3, 1), (0, 3), (1, 3), (2, 0), (3, 0))
"""Blocks of which four more exist."""
CHANCES = np.array([2, 2, 2, 1.5, 1, 0.5, 0.5, 0.7, 0.5])
"""How often these blocks exist, relative to one another."""
WEIGHTS_ONTO_A_UNIT = (2.7, 1.5)
"""Mean number of weights onto a unit from an area before, and from a later area."""
EXCITATORY_SHARE = 0.8
COHERENCES = np.array([-0.9, -0.6, -0.4, -0.3, -0.2, -0.1, 0.1, 0.2, 0.3, 0.4, 0.6, 0.9])
BINS, DT_S, TAU_S = 210, 0.01, 0.1
TARGETS_AT = 20
"""Bin in which the targets appear."""
COLOURS_AT = (60, 110)
"""First and last bin in which the colours may appear."""
ANSWER_AFTER = 30
"""Bins from the colours to the answer."""
CURRENT_NOISE_SD = 0.1
"""Standard deviation of the noise on the current of a unit in a bin, which is also that of the coherence."""
RECORDED_TRIALS = 48
TRIALS_PER_BATCH, MAX_GRADIENT_STEPS, LEARNING_RATE = 16, 500, 2e-3
RATE_PENALTY, WEIGHT_PENALTY = 0.02, 1e-3
LEARNT_ERROR = 0.03
"""Mean squared error of the output below which a batch is good; the training ends after ten good batches in a row."""
LEARNT_BATCHES = 10


class _Trials(NamedTuple):
    """Trials of the task: inputs u, correct outputs, how much every bin counts, coherence and targets."""

    u: Array
    answer: Array
    weight: Array
    coherence: Array
    targets: Array


class _Anatomy(NamedTuple):
    """Which weights may differ from 0: those between units and those of inputs; and the sign of every unit."""

    connected: Array
    driven: Array
    sign: Array


def trained_areas(seed: int, *, units: int = 40) -> Teacher:
    """Train a network of four areas on a decision task, and record trials of the task.

    Parameters
    ----------
    seed : seed for the weights, the trials and all noise.
    units : number of units in every area.

    Returns
    -------
    The recording together with the network that made it; seven of the twelve blocks between areas exist.
    """
    rng = np.random.default_rng(seed)
    area = np.repeat(np.arange(len(AREAS)), units)
    anatomy = _anatomy(rng, area)
    J, B = _trained(rng, area, anatomy)
    task = _trials(rng, RECORDED_TRIALS)
    noise = CURRENT_NOISE_SD * rng.standard_normal((BINS, RECORDED_TRIALS, len(area)))
    with torch.no_grad():
        rates = _run(_tensor(J), _tensor(B), _tensor(task.u), _tensor(noise)).numpy().astype(float)
    return Teacher(
        rates=rates,
        time_s=np.arange(BINS) * DT_S,
        region=np.array(AREAS)[area],
        inputs=task.u,
        input_name=["coherence", "target_1", "target_2"],
        trials=pd.DataFrame({"coherence": task.coherence, "context": np.where(task.targets > 0, "1", "-1")}),
        network=Network(J=J, B=B, b=np.zeros(len(area)), tau_s=TAU_S, dt_s=DT_S, nonlinearity=RELU),
        drive=np.zeros_like(rates),
        cell_type=tuple("excitatory" if sign > 0 else "inhibitory" for sign in anatomy.sign),
    )


def _anatomy(rng: np.random.Generator, area: Array) -> _Anatomy:
    n, units = len(area), int((area == 0).sum())
    excitatory = np.arange(n) % units < EXCITATORY_SHARE * units
    chosen = rng.choice(len(OTHERS), 4, replace=False, p=CHANCES / CHANCES.sum())
    connected = (area[:, None] == area[None]).astype(float)
    for target, source in (*FORWARD, *(OTHERS[index] for index in chosen)):
        block = np.ix_(area == target, area == source)
        mean = WEIGHTS_ONTO_A_UNIT[0] if target > source else WEIGHTS_ONTO_A_UNIT[1]
        connected[block] = (rng.random((units, units)) < mean / units) * excitatory[area == source]
    driven = np.zeros((n, 3))
    for reached, columns in ((0, [0]), (1, [1, 2])):
        share = np.where(area == reached, 0.3, np.where(area == 1 - reached, 0.1, 0.0))
        driven[:, columns] = (rng.random(n) < share)[:, None]
    return _Anatomy(connected, driven, np.where(excitatory, 1.0, -1.0))


def _trials(rng: np.random.Generator, count: int) -> _Trials:
    coherence, targets = rng.choice(COHERENCES, count), rng.choice([-1.0, 1.0], count)
    colours_at = rng.integers(*COLOURS_AT, count)[:, None]
    bins = np.arange(BINS)[None]
    shown = (bins >= TARGETS_AT) * targets[:, None]
    colours = (bins >= colours_at) * coherence[:, None] + CURRENT_NOISE_SD * rng.standard_normal((count, BINS))
    due = bins >= colours_at + ANSWER_AFTER
    right = np.sign(coherence * targets)[:, None]
    answer = np.stack([due & (right > 0), due & (right < 0)], axis=2).astype(float)
    # Before the colours no answer is to be given; the bins between colours and answer do not count.
    weight = np.where(due, 1.0, np.where(bins < colours_at, 0.3, 0.0))[..., None]
    return _Trials(np.stack([colours, shown, -shown], axis=2), answer, weight, coherence, targets)


def _trained(rng: np.random.Generator, area: Array, anatomy: _Anatomy) -> tuple[Array, Array]:
    """Train recurrent weights, input weights and readout; return J (unit, unit) and B (unit, input)."""
    n, units = len(area), int((area == 0).sum())
    # Inhibitory weights start four times as large, so that excitation and inhibition cancel.
    scale = np.where(area[:, None] == area, np.where(anatomy.sign > 0, 0.5, 2.0), 0.84) / np.sqrt(units)
    strength, inputs, readout = (
        torch.tensor(values, dtype=torch.float32, requires_grad=True)
        for values in (
            np.abs(rng.standard_normal((n, n))) * scale,
            0.4 * rng.standard_normal((n, 3)),
            0.1 * rng.standard_normal((2, units)),
        )
    )
    signed, driven, last = _tensor(anatomy.connected * anatomy.sign), _tensor(anatomy.driven), area == area.max()
    adam = torch.optim.Adam([strength, inputs, readout], lr=LEARNING_RATE)
    learnt = 0
    for _ in range(MAX_GRADIENT_STEPS):
        task = _trials(rng, TRIALS_PER_BATCH)
        noise = CURRENT_NOISE_SD * rng.standard_normal((BINS, TRIALS_PER_BATCH, n))
        J, B = strength.abs() * signed, inputs * driven
        r = _run(J, B, _tensor(task.u), _tensor(noise))
        weight, output = _tensor(task.weight), r[..., last] @ readout.T
        error = (weight * (output - _tensor(task.answer)) ** 2).sum() / weight.sum()
        loss = error + RATE_PENALTY * (r**2).mean() + WEIGHT_PENALTY * units * (J**2).mean()
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([strength, inputs, readout], 1.0)
        adam.step()
        learnt = learnt + 1 if float(error.detach()) < LEARNT_ERROR else 0
        if learnt == LEARNT_BATCHES:
            break
    J, B = strength.abs() * signed, inputs * driven
    return J.detach().numpy().astype(float), B.detach().numpy().astype(float)


def _run(J: torch.Tensor, B: torch.Tensor, u: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Rates (trial, time, unit) from silence on; noise is (time, trial, unit)."""
    x, rates = torch.zeros(noise.shape[1:]), []
    external = u @ B.T
    for step in range(len(noise)):
        r = torch.relu(x)
        rates.append(r)
        x = x + DT_S / TAU_S * (r @ J.T + external[:, step] + noise[step] - x)
    return torch.stack(rates, 1)


def _tensor(values: Array) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)
