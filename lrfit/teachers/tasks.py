"""Tasks of the literature on low-rank networks: inputs, targets and the window in which the answer counts.

Steps of 20 ms for networks of tau 100 ms, unless a task says otherwise. Parameters as in Valente, Pillow & Ostojic
(NeurIPS 2022) and Dubreuil et al. (Nat. Neurosci. 2022); oscillator and reach as in Pals et al. (NeurIPS 2024).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

Array = np.ndarray
DT_S = 0.02
TAU_S = 0.1


class Task(NamedTuple):
    """Trials of a task.

    Attributes
    ----------
    inputs : (trial, time, input); 0 past the end of a trial.
    input_name : names of the inputs.
    target : (trial, time, output) what the output should be where ``mask`` is true.
    mask : (trial, time) whether the answer counts.
    length : (trial,) samples of each trial.
    trials : one row a trial, what was shown.
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
    """Share of (trial, output) whose mean ``output`` (trial, time, output) in the window has the sign of the target."""
    mask = task.mask[..., None]
    said, meant = ((values * mask).sum(1) for values in (output, task.target))
    return float((np.sign(said) == np.sign(meant)).mean())


def random_dots(trials: int, rng: np.random.Generator) -> Task:
    """Say the sign of a noisy stimulus: .032 c + .03 N(0, 1) for 40 steps, c in +-{1, 2, 4, 8, 16}, then a delay."""
    stimulus, total = slice(5, 45), 75
    coherence = rng.choice([1, 2, 4, 8, 16], trials) * rng.choice([-1, 1], trials)
    u = np.zeros((trials, total, 1))
    u[:, stimulus, 0] = 0.032 * coherence[:, None] + 0.03 * rng.standard_normal((trials, 40))
    columns = {"coherence": coherence, "choice": np.sign(coherence)}
    return _sign_task(u, ["stimulus"], np.sign(coherence), 60, columns)


def romo(trials: int, rng: np.random.Generator) -> Task:
    """Say by how much the first of two frequencies is the higher one, (f1 - f2) / 24, after a delay of 25 to 100 steps.

    A frequency is shown for 5 steps as (f - 22) / 24, with noise .01; f1, f2 in 10 to 34, |f2 - f1| in {8, 16, 24}.
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
    return Task((u * inside)[..., None], ["frequency"], target, inside & (time >= second + 5), length, table)


def contextual_decision(trials: int, rng: np.random.Generator, *, cue: int = 62) -> Task:
    """Say the sign of the stimulus that the context makes relevant (Mante et al., Nature 2013).

    Two stimuli, .1 c + .1 N(0, 1) for 40 steps from step 22 on, c in +-{1, 2, 4}; a context input of 1 from step 5 on,
    for ``cue`` steps (62: until the response; 10: a cue that must be remembered).
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
    """Say whether two stimuli of 25 steps, A or B, were the same; the delay between them is 25 to 150 steps."""
    kind = rng.integers(2, size=(trials, 2))
    delay = rng.integers(min(25, longest_delay), longest_delay + 1, trials)
    total = 5 + 25 + longest_delay + 25 + 50
    time, second = np.arange(total), (30 + delay)[:, None]
    u = 0.03 * rng.standard_normal((trials, total, 2))
    rows = np.arange(trials)
    shown = ((time >= 5) & (time < 30), (time >= second) & (time < second + 25))
    for place, when in enumerate(shown):
        for stimulus in (0, 1):
            u[..., stimulus] += when & (kind[rows, place] == stimulus)[:, None]
    length = 105 + delay
    inside = time < length[:, None]
    match = np.where(kind[:, 0] == kind[:, 1], 1, -1)
    table = pd.DataFrame({"first": kind[:, 0], "second": kind[:, 1], "delay": delay, "match": match})
    target = np.broadcast_to(match[:, None, None].astype(float), (trials, total, 1))
    return Task(u * inside[..., None], ["A", "B"], target, inside & (time >= second + 25), length, table)


def multisensory(trials: int, rng: np.random.Generator) -> Task:
    """Say the sign of a stimulus that is seen, heard, or both (Raposo et al., Nat. Neurosci. 2014).

    Each channel carries .5 N(0, 1), an active one .1 c more, for 40 steps, c in +-{1, 2, 4, 8}.
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
    """Remember the sign of the last pulse on each of a few channels; pulses of 5 steps, one at the start of each trial.

    Sussillo & Barak, Neural Comput. 2013, with pulses that a network of tau 100 ms can follow.
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
    return Task(u, names, target, mask, np.full(trials, samples), pd.DataFrame(index=range(trials)))


def oscillator(trials: int, rng: np.random.Generator, *, samples: int = 200) -> Task:
    """Produce a sine of four periods without any input, at a phase that is drawn for each trial."""
    phase = 2 * np.pi * rng.random(trials)
    target = np.sin(2 * np.pi * 4 * np.arange(samples) / samples + phase[:, None])[..., None]
    mask = np.ones((trials, samples), dtype=bool)
    table = pd.DataFrame({"phase": phase})
    return Task(np.zeros((trials, samples, 0)), [], target, mask, np.full(trials, samples), table)


def reach(trials: int, rng: np.random.Generator) -> Task:
    """Hold the direction, one of eight, that was shown in steps 25 to 49, (cos, sin), until step 250."""
    direction = rng.integers(8, size=trials)
    angle = 2 * np.pi * direction / 8
    aim = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    u, target = np.zeros((trials, 250, 2)), np.zeros((trials, 250, 2))
    u[:, 25:50] = aim[:, None]
    target[:, 25:] = aim[:, None]
    mask = np.zeros((trials, 250), dtype=bool)
    mask[:, 50:] = True
    return Task(u, ["cos", "sin"], target, mask, np.full(trials, 250), pd.DataFrame({"direction": direction}))


def _sign_task(u: Array, names: list[str], choice: Array, response: int, columns: Mapping[str, Array]) -> Task:
    """Trials of one length, answered by +1 or -1 from the step ``response`` on."""
    trials, total = u.shape[:2]
    target = np.zeros((trials, total, 1))
    target[:, response:, 0] = choice[:, None]
    mask = np.zeros((trials, total), dtype=bool)
    mask[:, response:] = True
    return Task(u, names, target, mask, np.full(trials, total), pd.DataFrame(dict(columns)))


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
"""The tasks by name, each with its usual parameters."""
