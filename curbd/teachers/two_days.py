"""A network on two days, between which a pathway changes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple

import numpy as np

from curbd.network.equation import Network, simulate
from curbd.teachers.multi_region import multi_region
from curbd.teachers.teacher import CLIP, Teacher

Array = np.ndarray
EULER_STEPS = 5
"""Euler steps in a sample."""


class TwoDays(NamedTuple):
    """Recordings of the same units on two days.

    Attributes
    ----------
    teacher : the recording of both days, with the trial column ``day`` (1 or 2) and the network of day 1.
    second : the network of day 2.
    """

    teacher: Teacher
    second: Network


def two_days(
    *,
    changed: Collection[tuple[str, str]] = (("B", "A"),),
    how: Literal["redrawn", "rotated", "scaled"] = "redrawn",
    units: int = 12,
    trials: int = 40,
    second_trials: int = 40,
    samples: int = 100,
    second_noise: float = 1.0,
    second_inputs: float = 1.0,
    measurement_noise: tuple[float, float] = (0.0, 0.0),
    inputs: str = "known",
    seed: int = 0,
) -> TwoDays:
    """Simulate the network of `multi_region` on two days.

    Parameters
    ----------
    changed : pathways (target, source) that change from day 1 to day 2; none for the same network on both days.
    how : ``redrawn``: the weights are permuted, so that nothing but their size is left. ``rotated``: every unit of the
        target takes the weights of another unit of the target, so that the pathway sends the same latents to other
        units. ``scaled``: the weights are halved.
    units : number of units in each of the regions A, B and C.
    trials, second_trials : numbers of trials on day 1 and on day 2.
    samples : number of samples in a trial, in steps of 10 ms.
    second_noise : process noise on day 2, relative to day 1.
    second_inputs : size of the inputs on day 2, relative to day 1.
    measurement_noise : standard deviation of the noise on the observed rates of day 1 and day 2.
    inputs : ``known``, ``hidden`` or ``none``, see `multi_region`.
    seed : seed for the weights, inputs and all noise.

    Returns
    -------
    The recording of both days, and the networks of both days.
    """
    n_trials, process_noise = trials + second_trials, 0.3
    first = multi_region(units=units, trials=n_trials, samples=samples, inputs="known", seed=seed)
    rng = np.random.default_rng([seed, 2])
    network = first.network
    J = network.J.copy()
    for target, source in changed:
        block = np.ix_(first.region == target, first.region == source)
        J[block] = _changed(J[block], how, rng)
    second = network._replace(J=J)
    day = np.repeat([1, 2], [trials, second_trials])
    u = first.inputs * np.where(day == 2, second_inputs, 1.0)[:, None, None]
    if inputs == "none":
        u = np.zeros_like(u)
    rates = np.empty_like(first.rates)
    noise_sd = process_noise * np.sqrt(network.dt_s / (EULER_STEPS * network.tau_s))
    for number, of_day, noise, measured in zip(
        (1, 2), (network, second), (1.0, second_noise), measurement_noise, strict=True
    ):
        chosen = day == number
        x0 = rng.standard_normal((chosen.sum(), len(first.region)))
        rates[chosen] = simulate(of_day, x0, u[chosen], noise_sd=noise * noise_sd, rng=rng)
        rates[chosen] += measured * rng.standard_normal(rates[chosen].shape)
    known = inputs == "known"
    none = np.zeros((len(first.region), 0))
    teacher = first._replace(
        rates=np.clip(rates, -CLIP, CLIP),
        inputs=u if known else np.zeros((n_trials, samples, 0)),
        input_name=first.input_name if known else [],
        trials=first.trials.assign(day=day),
        network=network if known else network._replace(B=none),
        drive=np.zeros_like(rates) if known else u @ network.B.T,
    )
    return TwoDays(teacher, second if known else second._replace(B=none))


def _changed(block: Array, how: str, rng: np.random.Generator) -> Array:
    """Weights (target, source) of a pathway after a change."""
    if how == "scaled":
        return block / 2
    if how == "rotated":
        return block[np.roll(np.arange(len(block)), 1)]
    return rng.permutation(block.ravel()).reshape(block.shape)
