"""Whether an effect keeps its sign and size when the weights are less exact: rounded to few bits, or noisy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from curbd.inactivation.effect_sums import Targets
from curbd.inactivation.effects import effects
from curbd.inactivation.simulation import Simulation
from curbd.network.altered_weights import SAME_SIZE_SHARE, altered, fewest_bits, most_noise
from curbd.network.perturbation import Perturbation

Array = np.ndarray
MAX_TRIALS_WITH_ALTERED_WEIGHTS = 8
"""Largest number of trials that are simulated with altered weights; every condition has at least one."""
ONE_SIGN_SHARE = 0.1
"""The sign of a mean effect counts if the mean is at least this share of the root mean square."""


class EffectRobustness(NamedTuple):
    """How inexact the weights of the first fit may be before an effect is another effect.

    Attributes
    ----------
    bits : (perturbation, condition, target) smallest number of bits; NaN if 8 are not enough, or without an effect.
    noise : (perturbation, condition, target) largest noise, as a share of every weight; NaN without an effect.
    """

    bits: Array
    noise: Array


def effect_robustness(
    simulation: Simulation, perturbations: Sequence[Perturbation], targets: Targets, regions: Mapping[str, Array]
) -> EffectRobustness | None:
    """Simulate all perturbations again in the first fit with weights that are rounded or noisy.

    An effect holds if its root mean square changes by no more than 20 % and its mean keeps its sign.

    Parameters
    ----------
    simulation : the networks and the states from which they start; noise is left out.
    perturbations : the perturbations.
    targets : the targets of the effects.
    regions : name of a region -> (unit,) bool; the weights of every pair of regions are altered on their own scale.

    Returns
    -------
    The robustness; None without perturbations.
    """
    if not perturbations:
        return None
    fit = simulation.fits.members[0]
    units = [np.flatnonzero(mask) for mask in regions.values()]
    copies = list(altered(fit.J, [(target, source) for target in units for source in units]))
    members = [fit, *(fit._replace(J=J) for _, _, J in copies)]
    batch = simulation.fits.first(1)
    several = batch._replace(
        members=members,
        noise_sd=None,
        m=None if batch.m is None else np.repeat(batch.m, len(members), axis=0),
        n=None if batch.n is None else np.repeat(batch.n, len(members), axis=0),
    )
    few = simulation._replace(fits=several, truth=None, noise_draws=0).of_trials(_some_trials(simulation))
    of_first = targets._replace(projections=np.repeat(targets.projections[:1], len(members), axis=0))
    measured, _ = effects(few, perturbations, of_first, compare=False)
    square, mean = (measured.in_window(values, perturbations) for values in (measured.square, measured.mean))
    rms = np.sqrt(square)
    exists = rms[0] > 0
    holds: dict[str, dict[float, Array]] = {"bits": {}, "noise": {}}
    for (kind, size, _), own_rms, own_mean in zip(copies, rms[1:], mean[1:], strict=True):
        same_size = np.abs(own_rms - rms[0]) <= SAME_SIZE_SHARE * rms[0]
        same_sign = (own_mean * mean[0] > 0) | (np.abs(mean[0]) < ONE_SIGN_SHARE * rms[0])
        holds[kind][size] = same_size & same_sign
    bits, noise = fewest_bits(holds["bits"]), most_noise(holds["noise"])
    return EffectRobustness(np.where(exists, bits, np.nan), np.where(exists, noise, np.nan))


def _some_trials(simulation: Simulation) -> Array:
    """Indices of trials: equally many of every condition."""
    seen: Array = np.any(simulation.starts.weight, axis=2)
    of_condition = max(1, MAX_TRIALS_WITH_ALTERED_WEIGHTS // len(seen))
    return np.unique(np.concatenate([np.flatnonzero(trials)[:of_condition] for trials in seen]))
