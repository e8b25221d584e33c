"""Effects on regions in Hz, for recordings whose rates are in Hz."""

from __future__ import annotations

import numpy as np

from curbd.inactivation.experiments import Outcome, read_units
from curbd.recording.scaling import silent

Array = np.ndarray


def in_hz(outcome: Outcome) -> tuple[Array, Array] | None:
    """Average effects and intact rates in Hz over the units of every region, in the time window.

    The mean of scaled rates weights every unit by its scale; the mean in Hz does not.

    Parameters
    ----------
    outcome : results of the experiments.

    Returns
    -------
    Effects and rates of the intact run (member, perturbation, condition, target), in Hz; NaN for targets that are no
    regions. None if the rates of the recording are not in Hz.
    """
    recording, effects = outcome.recording, outcome.fit_effects
    if recording["rates"].attrs.get("units") != "Hz" or recording.attrs["activity"] == "model":
        return None
    labels = recording["region"].values.astype(str)
    units = read_units(outcome.perturbations, np.stack([labels == name for name in outcome.regions]))
    weights = units * recording["scale"].values / units.sum(-1, keepdims=True)
    above_silence = effects.unit_intact - silent(recording, outcome.networks.attrs.get("phi"))
    n_targets = len(outcome.targets)
    return _over_units(effects.unit_mean, weights, n_targets), _over_units(above_silence, weights, n_targets)


def _over_units(values: Array, weights: Array, n_targets: int) -> Array:
    """Sum values (member, perturbation, condition, unit) with weights (perturbation, region, unit); NaN elsewhere."""
    of_targets = np.full((*values.shape[:3], n_targets), np.nan)
    of_targets[..., : weights.shape[1]] = np.einsum("mpcu,pru->mpcr", values, weights)
    return of_targets
