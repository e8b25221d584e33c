"""Tasks of publications on low-rank networks: inputs, targets and the time window in which the output is judged.

A step lasts 20 ms; the networks have a time constant of 100 ms. Inputs and targets are dimensionless. N(0, 1) is a
standard normal random number, drawn in every step. Publications: Valente, Pillow & Ostojic, NeurIPS 2022, and Dubreuil
et al., Nat. Neurosci. 2022; oscillator and reach: Pals et al., NeurIPS 2024.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

Array = np.ndarray
DT_S = 0.02
"""Sample step, s."""
TAU_S = 0.1
"""Time constant of the networks, s."""


class Task(NamedTuple):
    """Trials of a task: inputs, correct outputs and stimuli.

    Attributes
    ----------
    inputs : (trial, time, input); 0 past the end of a trial.
    input_name : (input,) names of the inputs.
    target : (trial, time, output) correct output; only the samples in which ``mask`` is True count.
    mask : (trial, time) bool, True for samples in which the output is judged.
    length : (trial,) number of samples of each trial.
    trials : stimuli and correct choices, one row per trial.
    dt_s : sample step, s.
    """

    inputs: Array
    input_name: list[str]
    target: Array
    mask: Array
    length: Array
    trials: pd.DataFrame
    dt_s: float = DT_S


def accuracy(task: Task, output: Array) -> float:
    """Return the share of trials and outputs in which the mean output has the sign of the mean target.

    Parameters
    ----------
    task : target, and the samples over which means are taken.
    output : (trial, time, output) output of a network.

    Returns
    -------
    Share between 0 and 1.
    """
    mask = task.mask[..., None]
    answer, correct = ((values * mask).sum(1) for values in (output, task.target))
    return float((np.sign(answer) == np.sign(correct)).mean())


def random_dots(trials: int, rng: np.random.Generator) -> Task:
    """Generate trials in which the sign of a noisy stimulus is to be reported after a delay.

    The stimulus is .032 c + .03 N(0, 1) for 40 steps, with a coherence c of +-1, 2, 4, 8 or 16.
    """
    stimulus, total = slice(5, 45), 75
    coherence = rng.choice([1, 2, 4, 8, 16], trials) * rng.choice([-1, 1], trials)
    u = np.zeros((trials, total, 1))
    u[:, stimulus, 0] = 0.032 * coherence[:, None] + 0.03 * rng.standard_normal((trials, 40))
    columns = {"coherence": coherence, "choice": np.sign(coherence)}
    return _sign_task(u, ["stimulus"], np.sign(coherence), 60, columns)


def romo(trials: int, rng: np.random.Generator) -> Task:
    """Generate trials in which the difference (f1 - f2) / 24 of two successive frequencies is to be reported.

    The frequencies are separated by a delay of 25 to 100 steps. Each frequency f is presented for 5 steps as an input
    (f - 22) / 24 with noise of standard deviation .01. f1 and f2 lie between 10 and 34, and |f2 - f1| is 8, 16 or 24.
    """
    pairs = [(a, b) for a in range(10, 35) for b in range(10, 35) if abs(a - b) in (8, 16, 24)]
    f1, f2 = np.array(pairs)[rng.integers(len(pairs), size=trials)].T
    delay = rng.integers(25, 101, trials)
    total = 5 + 5 + 100 + 5 + 5
    time, second = np.arange(total), (10 + delay)[:, None]
    in_second = (time >= second) & (time < second + 5)
    u = 0.01 * rng.standard_normal((trials, total))
    u[:, 5:10] += (f1[:, None] - 22) / 24
    u += in_second * (f2[:, None] - 22) / 24
    length = 20 + delay
    inside = time < length[:, None]
    target = np.broadcast_to(((f1 - f2) / 24)[:, None, None], (trials, total, 1))
    table = pd.DataFrame({"f1": f1, "f2": f2, "delay": delay})
    return Task(
        inputs=(u * inside)[..., None],
        input_name=["frequency"],
        target=target,
        mask=inside & (time >= second + 5),
        length=length,
        trials=table,
    )


def contextual_decision(trials: int, rng: np.random.Generator, *, cue: int = 62) -> Task:
    """Generate trials in which the sign of one of two stimuli is to be reported; a context input says which one.

    The stimuli are .1 c + .1 N(0, 1) for 40 steps from step 22 on, with coherences c of +-1, 2 or 4. Publication: Mante
    et al., Nature 2013.

    Parameters
    ----------
    trials : number of trials.
    rng : random generator of the stimuli.
    cue : number of steps for which the context input is 1, from step 5 on. 62 steps last until the response; after 10
        steps the context must be remembered.

    Returns
    -------
    The trials.
    """
    total, stimulus = 68, slice(22, 62)
    coherence = rng.choice([1, 2, 4], (trials, 2)) * rng.choice([-1, 1], (trials, 2))
    context = rng.integers(2, size=trials)
    u = np.zeros((trials, total, 4))
    u[:, stimulus, :2] = 0.1 * coherence[:, None] + 0.1 * rng.standard_normal((trials, 40, 2))
    u[np.arange(trials), 5 : 5 + cue, 2 + context] = 1.0
    choice = np.sign(coherence[np.arange(trials), context])
    columns = {"coherence_a": coherence[:, 0], "coherence_b": coherence[:, 1], "context": context, "choice": choice}
    return _sign_task(u, ["a", "b", "context_a", "context_b"], choice, 67, columns)


def delayed_match(trials: int, rng: np.random.Generator, *, longest_delay: int = 150) -> Task:
    """Generate trials in which the network is to report whether two successive stimuli, A or B, were the same.

    Each stimulus lasts for 25 steps.

    Parameters
    ----------
    trials : number of trials.
    rng : random generator of the stimuli, delays and input noise.
    longest_delay : largest number of steps between the stimuli. The smallest number is 25, or ``longest_delay`` if this
        is less than 25.

    Returns
    -------
    The trials.
    """
    kind = rng.integers(2, size=(trials, 2))
    delay = rng.integers(min(25, longest_delay), longest_delay + 1, trials)
    total = 5 + 25 + longest_delay + 25 + 50
    time, second = np.arange(total), (30 + delay)[:, None]
    u = 0.03 * rng.standard_normal((trials, total, 2))
    rows = np.arange(trials)
    presented = ((time >= 5) & (time < 30), (time >= second) & (time < second + 25))
    for position, when in enumerate(presented):
        for stimulus in (0, 1):
            u[..., stimulus] += when & (kind[rows, position] == stimulus)[:, None]
    length = 105 + delay
    inside = time < length[:, None]
    match = np.where(kind[:, 0] == kind[:, 1], 1, -1)
    table = pd.DataFrame({"first": kind[:, 0], "second": kind[:, 1], "delay": delay, "match": match})
    target = np.broadcast_to(match[:, None, None].astype(float), (trials, total, 1))
    return Task(
        inputs=u * inside[..., None],
        input_name=["A", "B"],
        target=target,
        mask=inside & (time >= second + 25),
        length=length,
        trials=table,
    )


def multisensory(trials: int, rng: np.random.Generator) -> Task:
    """Generate trials in which the sign of a visual, auditory or audiovisual stimulus is to be reported.

    For 40 steps each channel is .5 N(0, 1), plus .1 c if its modality is active, with a coherence c of +-1, 2, 4 or 8.
    Publication: Raposo et al., Nat. Neurosci. 2014.
    """
    coherence = rng.choice([1, 2, 4, 8], trials) * rng.choice([-1, 1], trials)
    modality = rng.integers(3, size=trials)
    active = np.stack([modality != 1, modality != 0], axis=1)
    u = np.zeros((trials, 75, 2))
    u[:, 5:45] = 0.5 * rng.standard_normal((trials, 40, 2)) + (0.1 * coherence[:, None] * active)[:, None]
    names = np.array(["visual", "auditory", "both"])
    columns = {"coherence": coherence, "modality": names[modality], "choice": np.sign(coherence)}
    return _sign_task(u, ["visual", "auditory"], np.sign(coherence), 50, columns)


def flip_flop(trials: int, rng: np.random.Generator, *, bits: int = 2) -> Task:
    """Generate trials in which the sign of the last pulse on each channel is to be remembered.

    A pulse lasts for 5 steps, which a network with a time constant of 100 ms can follow; every trial starts with a
    pulse on each channel. Publication: Sussillo & Barak, Neural Comput. 2013.

    Parameters
    ----------
    trials : number of trials.
    rng : random generator of the pulses.
    bits : number of channels.

    Returns
    -------
    The trials.
    """
    width, samples = 5, 200
    target = np.zeros((trials, samples, bits))
    u = np.zeros_like(target)
    starts = rng.random((trials, samples, bits)) < 0.02
    starts[:, 0] = True
    since = np.full((trials, bits), width)
    current = np.zeros((trials, bits))
    for t in range(samples):
        new = starts[:, t] & (since >= width)
        since = np.where(new, 0, since + 1)
        current = np.where(new, rng.choice([-1.0, 1.0], (trials, bits)), current)
        u[:, t] = current * (since < width)
        target[:, t] = current
    mask = np.ones((trials, samples), dtype=bool)
    mask[:, : 4 * width] = False
    names = [f"bit_{bit + 1}" for bit in range(bits)]
    return Task(
        inputs=u,
        input_name=names,
        target=target,
        mask=mask,
        length=np.full(trials, samples),
        trials=pd.DataFrame(index=range(trials)),
    )


def oscillator(trials: int, rng: np.random.Generator, *, samples: int = 200) -> Task:
    """Generate trials in which four periods of a sine of random phase are to be produced without any input.

    Parameters
    ----------
    trials : number of trials.
    rng : random generator of the phases.
    samples : number of steps of a trial.

    Returns
    -------
    The trials.
    """
    phase = 2 * np.pi * rng.random(trials)
    target = np.sin(2 * np.pi * 4 * np.arange(samples) / samples + phase[:, None])[..., None]
    mask = np.ones((trials, samples), dtype=bool)
    table = pd.DataFrame({"phase": phase})
    return Task(
        inputs=np.zeros((trials, samples, 0)),
        input_name=[],
        target=target,
        mask=mask,
        length=np.full(trials, samples),
        trials=table,
    )


def reach(trials: int, rng: np.random.Generator) -> Task:
    """Generate trials in which one of eight directions is to be held, as (cos, sin), until step 250.

    The input gives the direction in steps 25 to 49; the output is judged from step 50 on.
    """
    direction = rng.integers(8, size=trials)
    angle = 2 * np.pi * direction / 8
    target_direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    u, target = np.zeros((trials, 250, 2)), np.zeros((trials, 250, 2))
    u[:, 25:50] = target_direction[:, None]
    target[:, 25:] = target_direction[:, None]
    mask = np.zeros((trials, 250), dtype=bool)
    mask[:, 50:] = True
    return Task(
        inputs=u,
        input_name=["cos", "sin"],
        target=target,
        mask=mask,
        length=np.full(trials, 250),
        trials=pd.DataFrame({"direction": direction}),
    )


def _sign_task(u: Array, names: list[str], choice: Array, response: int, columns: Mapping[str, Array]) -> Task:
    """Trials of equal length whose target is +1 or -1 from the step ``response`` on."""
    trials, total = u.shape[:2]
    target = np.zeros((trials, total, 1))
    target[:, response:, 0] = choice[:, None]
    mask = np.zeros((trials, total), dtype=bool)
    mask[:, response:] = True
    return Task(
        inputs=u,
        input_name=names,
        target=target,
        mask=mask,
        length=np.full(trials, total),
        trials=pd.DataFrame(dict(columns)),
    )


TASKS: Mapping[str, Callable[[int, np.random.Generator], Task]] = {
    "random_dots": random_dots,
    "romo": romo,
    "contextual_decision": contextual_decision,
    "delayed_match": delayed_match,
    "multisensory": multisensory,
    "flip_flop": flip_flop,
    "oscillator": oscillator,
    "reach": reach,
}
"""Name -> task with its default parameters."""
