"""What an experiment does to a network, unit by unit and weight by weight."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np

Array = np.ndarray
WEIGHT_SIGNS = {"all": 0, "excitatory": 1, "inhibitory": -1}


class Cut(NamedTuple):
    """Weights that are taken away: targets (unit,), sources (unit,); sign 0 all, 1 only positive, -1 only negative."""

    targets: Array
    sources: Array
    sign: int


class Action(NamedTuple):
    """What is done to a network, at full strength.

    Attributes
    ----------
    held, level : (unit,) whose rates are held, and at which rate.
    gain : (unit,) factor on the rates, 1 where nothing is done.
    current : (unit,) added to the current, in units of x.
    inputs : (input,) that are cut.
    cuts : weights that are cut.
    latents : numbers, from 0, of the rank-one parts m n' that are taken out of the connectivity.
    """

    held: Array
    level: Array
    gain: Array
    current: Array
    inputs: Array
    cuts: tuple[Cut, ...] = ()
    latents: tuple[int, ...] = ()

    @property
    def direct(self) -> Array:
        """(unit,) whose activity is set or pushed directly."""
        return self.held | (self.gain != 1) | (self.current != 0)

    @property
    def units(self) -> Array:
        """(unit,) that are acted on, themselves or their outgoing weights."""
        return reduce(np.logical_or, [cut.sources for cut in self.cuts], self.direct)


class Perturbation(NamedTuple):
    """One experiment as it is run.

    Attributes
    ----------
    name : ``silence:ca1``.
    kind : region, units, population, pathway, input, latent, or combination.
    strength : share of the way to the full action.
    start_s, stop_s : window, from the first edge of its first bin to the last edge of its last one.
    when : (time,) bins of the window.
    conditions : names of those in whose trials it is done.
    action : what is done.
    pathway : (source, target) regions of a cut pathway, else None.
    experiment : name of the entry of the config that the perturbation belongs to.
    acts_on : what is acted on: a region, a pathway ``A->B``, an input, ...
    fraction : share of the units of a group that is acted on; NaN where no single group of units is acted on.
    parts : what a combination does, each part alone; else nothing.
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
    parts: tuple[Action, ...] = ()

    @classmethod
    def whole_run(cls, action: Action, when: Array) -> Perturbation:
        """An action in full strength at all times of a run that has no name in any table."""
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


def nothing(n_units: int, n_inputs: int) -> Action:
    """The intact network."""
    none = np.zeros(n_units)
    return Action(np.zeros(n_units, bool), none, none + 1, none, np.zeros(n_inputs, bool))


def silencing(units: Array, level: float, n_inputs: int) -> Action:
    """The rates of some units held at one level.

    Parameters
    ----------
    units : (unit,) bool, the units that are held.
    level : scaled rate at which they are held.
    n_inputs : number of inputs of the network; none is cut.
    """
    return nothing(len(units), n_inputs)._replace(held=units, level=np.where(units, level, 0.0))


def together(actions: Sequence[Action]) -> Action:
    """Several things done at once; a held unit must not be held elsewhere or scaled as well (see `contradictions`)."""
    return Action(
        np.logical_or.reduce([one.held for one in actions]),
        np.sum([one.level for one in actions], axis=0) / np.maximum(np.sum([one.held for one in actions], axis=0), 1),
        np.prod([one.gain for one in actions], axis=0),
        np.sum([one.current for one in actions], axis=0),
        np.logical_or.reduce([one.inputs for one in actions]),
        tuple(cut for one in actions for cut in one.cuts),
        tuple(sorted({latent for one in actions for latent in one.latents})),
    )


def contradictions(actions: Sequence[Action]) -> Array:
    """(unit,) whose rate is held at two levels, or both held and scaled."""
    n_units = len(actions[0].held)
    levels = np.stack([np.where(one.held, one.level, np.nan) for one in actions])
    held = np.isfinite(levels)
    spread = np.where(held, levels, -np.inf).max(0) > np.where(held, levels, np.inf).min(0)
    scaled = np.logical_or.reduce([one.gain != 1 for one in actions])
    found: Array = np.zeros(n_units, bool) | (held.any(0) & (spread | scaled))
    return found


def moved(action: Action, units: Array, others: Array) -> Action:
    """The same done to other units: what is done to ``units[k]`` is done to ``others[k]``.

    Targets of cut weights, inputs and latents stay.
    """

    def carried(values: Array, rest: float | bool) -> Array:
        out = np.full_like(values, rest)
        out[others] = values[units]
        return out

    return action._replace(
        held=carried(action.held, False),
        level=carried(action.level, 0.0),
        gain=carried(action.gain, 1.0),
        current=carried(action.current, 0.0),
        cuts=tuple(cut._replace(sources=carried(cut.sources, False)) for cut in action.cuts),
    )
