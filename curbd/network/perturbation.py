"""What a perturbation does to a network: to the rates and currents of its units, its weights and its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np

Array = np.ndarray
WEIGHT_SIGNS = {"all": 0, "excitatory": 1, "inhibitory": -1}
"""Value of the setting `weights` -> sign of the weights that are cut; 0 means weights of either sign."""


class Cut(NamedTuple):
    """Weights that are set to zero.

    Attributes
    ----------
    targets : (unit,) bool, True for the receiving units.
    sources : (unit,) bool, True for the sending units.
    sign : 0 for all weights between these units, 1 for positive weights only, -1 for negative weights only.
    """

    targets: Array
    sources: Array
    sign: int


class Action(NamedTuple):
    """What is done to a network, at full strength.

    Attributes
    ----------
    held : (unit,) bool, True for units whose rates are imposed.
    level : (unit,) scaled rate at which a held unit is held; 0 for all other units.
    follows : (unit,) bool, True for held units whose rates are those of the intact run plus their level.
    gain : (unit,) multiplier of the rates; 1 for units whose rates are not multiplied.
    current : (unit,) current that is added, in the (dimensionless) units of the state x in tau dx/dt = -x + J r + ...
    inputs : (input,) bool, True for inputs that are removed.
    cuts : weights that are set to zero.
    latents : indices, from 0, of the latents k whose components m_k n_k' are removed from the connectivity J = m n' of
        a low-rank network.
    """

    held: Array
    level: Array
    follows: Array
    gain: Array
    current: Array
    inputs: Array
    cuts: tuple[Cut, ...] = ()
    latents: tuple[int, ...] = ()

    @property
    def direct(self) -> Array:
        """(unit,) bool: True for units whose rates or currents are changed directly."""
        return self.held | (self.gain != 1) | (self.current != 0)

    @property
    def units(self) -> Array:
        """(unit,) bool: True for units whose rates, currents or outgoing weights are changed."""
        return reduce(np.logical_or, [cut.sources for cut in self.cuts], self.direct)


class Perturbation(NamedTuple):
    """One perturbation of the network of one recording: an action with its strength, time window and conditions.

    Attributes
    ----------
    name : name in the tables, such as ``silence:ca1``.
    kind : region, units, population, pathway, input, latent, or combination.
    strength : share of the way to the full action, from 0 to 1.
    start_s : start of the window, the first edge of its first bin, s.
    stop_s : end of the window, the last edge of its last bin, s.
    when : (time,) bool, True for the bins of the window.
    conditions : names of the conditions whose trials are perturbed.
    action : what is done at full strength.
    pathway : (source, target) regions of a cut pathway, else None.
    experiment : name of the entry of ``inactivations`` in the config that the perturbation belongs to.
    acts_on : what is perturbed: a region, a pathway ``A->B``, an input, ...
    fraction : share of the units of a group that is perturbed; NaN if the perturbation does not act on a single group.
    interventions : the actions of which a combination consists, all done at the same time; empty for a single action.
    """

    name: str
    kind: str
    strength: float
    start_s: float
    stop_s: float
    when: Array
    conditions: tuple[str, ...]
    action: Action
    pathway: tuple[str, str] | None = None
    experiment: str = ""
    acts_on: str = ""
    fraction: float = np.nan
    interventions: tuple[Action, ...] = ()

    @classmethod
    def whole_run(cls, action: Action, when: Array) -> Perturbation:
        """Turn an action into a perturbation at full strength in the bins ``when`` (time,), without a name."""
        return cls(
            name="",
            kind="",
            strength=1.0,
            start_s=-np.inf,
            stop_s=np.inf,
            when=when,
            conditions=(),
            action=action,
        )


def no_action(n_units: int, n_inputs: int) -> Action:
    """Construct the action that changes nothing."""
    zeros, none = np.zeros(n_units), np.zeros(n_units, bool)
    return Action(held=none, level=zeros, follows=none, gain=zeros + 1, current=zeros, inputs=np.zeros(n_inputs, bool))


def silencing(units: Array, level: float, n_inputs: int) -> Action:
    """Construct the action that holds the rates of some units at one level.

    Parameters
    ----------
    units : (unit,) bool, True for the units that are held.
    level : scaled rate at which these units are held.
    n_inputs : number of inputs of the network; no input is removed.

    Returns
    -------
    The action.
    """
    return no_action(len(units), n_inputs)._replace(held=units, level=np.where(units, level, 0.0))


def combined(actions: Sequence[Action]) -> Action:
    """Combine several actions into the action that does all of them at the same time.

    No unit may be held at two levels, or be both held and multiplied (see `contradictions`).
    """
    n_holding = np.maximum(np.sum([action.held for action in actions], axis=0), 1)
    return Action(
        held=np.logical_or.reduce([action.held for action in actions]),
        level=np.sum([action.level for action in actions], axis=0) / n_holding,
        follows=np.logical_or.reduce([action.follows for action in actions]),
        gain=np.prod([action.gain for action in actions], axis=0),
        current=np.sum([action.current for action in actions], axis=0),
        inputs=np.logical_or.reduce([action.inputs for action in actions]),
        cuts=tuple(cut for action in actions for cut in action.cuts),
        latents=tuple(sorted({latent for action in actions for latent in action.latents})),
    )


def contradictions(actions: Sequence[Action]) -> Array:
    """Find the units (unit,) bool that several actions hold at two levels, or both hold and multiply."""
    levels = np.stack([np.where(action.held, action.level, np.nan) for action in actions])
    held = np.isfinite(levels)
    at_two_levels = np.where(held, levels, -np.inf).max(0) > np.where(held, levels, np.inf).min(0)
    follows = np.stack([action.follows for action in actions])
    at_two_levels |= follows.any(0) & (held & ~follows).any(0)
    scaled = np.logical_or.reduce([action.gain != 1 for action in actions])
    return np.asarray(held.any(0) & (at_two_levels | scaled))


def moved(action: Action, units: Array, new_units: Array) -> Action:
    """Move an action to other units: ``new_units[k]`` undergoes what ``units[k]`` underwent.

    The receiving units of cut weights, the removed inputs and the removed latents stay as they are.

    Parameters
    ----------
    action : an action on ``units`` only.
    units : (moved unit,) indices of the units that the action acts on.
    new_units : (moved unit,) indices of the units that undergo the action instead.

    Returns
    -------
    The action on the new units.
    """

    def carried(values: Array, neutral: float | bool) -> Array:
        out = np.full_like(values, neutral)
        out[new_units] = values[units]
        return out

    return action._replace(
        held=carried(action.held, False),
        level=carried(action.level, 0.0),
        follows=carried(action.follows, False),
        gain=carried(action.gain, 1.0),
        current=carried(action.current, 0.0),
        cuts=tuple(cut._replace(sources=carried(cut.sources, False)) for cut in action.cuts),
    )
