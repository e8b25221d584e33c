"""What a perturbation does to a population network: factors on its weights and sources, and a push on its latents.

Silencing a region silences its whole population, recorded and unrecorded units: the region sends no current. A
population network has no weights of single units, so that only perturbations of whole regions, pathways, inputs and
latents can be translated.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.network.perturbation import Action
from lrfit.population_network.model import Population

Array = np.ndarray


class Change(NamedTuple):
    """What a perturbation does to a population network at full strength.

    Attributes
    ----------
    kept : (latent, latent) share of the weights A that is kept; above 1 for scaled regions.
    kept_sources : (column,) share of every known source that is kept.
    push : (latent,) shift of the latents in every bin.
    held : (unit,) True for recorded units whose rates are silent.
    gain : (unit,) factor on the rates of recorded units.
    """

    kept: Array
    kept_sources: Array
    push: Array
    held: Array
    gain: Array


def change_of(action: Action, model: Population, region: Array, source_name: tuple[str, ...], silent: float) -> Change:
    """Translate an action on recorded units into the change of a population network.

    A current that is added to all units of a region shifts the latents of the region, in the direction that comes
    closest to an equal change of the log rates of all its recorded units.

    Parameters
    ----------
    action : what is done at full strength.
    model : the network.
    region : (unit,) index of the region of every recorded unit.
    source_name : (column,) names of the known sources.
    silent : scaled rate of a unit that does not fire.

    Raises
    ------
    ValueError : the action is about single units; the message says what it does, as the end of a sentence.
    """
    latents = len(model.group)
    kept, push = np.ones((latents, latents)), np.zeros(latents)
    for index in range(model.regions):
        units, own = region == index, model.group == index
        if not _equal(action.held[units]) or not _equal(action.gain[units]) or not _equal(action.current[units]):
            raise ValueError("acts on a part of a region")
        if action.held[units].any():
            if (action.level[units] != silent).any():
                raise ValueError("holds rates at a value")
            kept[:, own] = 0.0
        kept[:, own] *= action.gain[units][0]
        current = action.current[units] * (1 - model.leak[own][0])
        push[own] = np.linalg.lstsq(model.C[np.ix_(units, own)], current, rcond=None)[0]
    for cut in action.cuts:
        if cut.sign:
            raise ValueError("removes weights of one sign")
        sides = []
        for units in (cut.targets, cut.sources):
            whole = [index for index in range(model.regions) if units[region == index].all()]
            if np.isin(region, whole).sum() != units.sum():
                raise ValueError("acts on a part of a region")
            sides.append(np.isin(model.group, whole))
        kept[np.ix_(*sides)] = 0.0
    kept[:, list(action.latents)] = 0.0
    names = np.array(source_name)
    kept_sources = np.ones(len(names))
    n_recorded = len(np.unique(names[np.char.startswith(names, "input:")]))
    for index in map(int, np.flatnonzero(action.inputs)):
        if index < n_recorded:
            kept_sources[names == f"input:{index}"] = 0.0
        else:
            # A hidden drive goes on, and reaches no region.
            reached = model.group < model.regions
            kept[np.ix_(reached, model.group == model.regions + index - n_recorded)] = 0.0
    return Change(kept=kept, kept_sources=kept_sources, push=push, held=action.held, gain=action.gain)


def _equal(values: Array) -> bool:
    return bool((values == values[0]).all())
