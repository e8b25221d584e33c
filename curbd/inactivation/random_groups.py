"""Random groups of units that take the place of the units which an action really perturbs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from math import comb, prod
from typing import NamedTuple

import numpy as np

from curbd.network.perturbation import Action

Array = np.ndarray
MAX_LISTED_GROUPS = 200
"""All groups are compared if there are no more than these; otherwise groups are drawn."""


class RandomGroups(NamedTuple):
    """Groups of units to which an action can be moved.

    Attributes
    ----------
    units : (group, unit of the group) indices of units; no rows if no other group could be drawn.
    are_all : whether these are all possible groups, the real one included, and not a random choice of them.
    """

    units: Array
    are_all: bool

    def beside(self, real: Array) -> Array:
        """Return the indices of the groups with which the real group (unit of the group,) is compared.

        The real group is left out of a list of all groups. It is not left out of a random choice, where the real group
        may occur by chance.
        """
        indices = np.arange(len(self.units))
        return indices[(np.sort(self.units, axis=1) != np.sort(real)).any(1)] if self.are_all else indices


def random_groups(action: Action, target: Array, groups: int, seed: int) -> RandomGroups:
    """Draw random groups of units to which an action can be moved, or list all of them if there are few.

    Parameters
    ----------
    action : the action; a group has as many units inside the target, and as many outside, as the action perturbs there.
    target : (unit,) bool, True for the units of the target; no unit for a projection, which is a sum over all units.
    groups : number of groups that are drawn.
    seed : seed for the groups.

    Returns
    -------
    The groups.
    """
    pools = _pools(action, target)
    n_groups = prod(comb(len(pool.units), pool.n_drawn) for pool in pools)
    if n_groups == 1:
        return RandomGroups(np.zeros((0, int(action.units.sum())), dtype=int), are_all=True)
    if n_groups <= MAX_LISTED_GROUPS:
        return RandomGroups(_all_groups(pools), are_all=True)
    return RandomGroups(_drawn_groups(pools, groups, seed), are_all=False)


class _Pool(NamedTuple):
    """Units among which a part of a group is drawn.

    Attributes
    ----------
    members : (unit of the group,) bool, True for the units of the group that are drawn from this pool.
    units : (unit,) indices of the units of the pool.
    """

    members: Array
    units: Array

    @property
    def n_drawn(self) -> int:
        """Return the number of units that are drawn."""
        return int(self.members.sum())


def _pools(action: Action, target: Array) -> list[_Pool]:
    """Return the pools inside and outside of the target (unit,); no pool if nothing can be drawn or compared."""
    units = np.flatnonzero(action.units)
    if not len(units) or (target.any() and not (target & ~action.held).any()):
        return []
    inside = target[units]
    return [_Pool(inside, np.flatnonzero(target)), _Pool(~inside, np.flatnonzero(~target))]


def _all_groups(pools: Sequence[_Pool]) -> Array:
    """List all groups (group, unit of the group) of units, the real group included."""
    parts = list(product(*(combinations(pool.units, pool.n_drawn) for pool in pools)))
    groups = np.empty((len(parts), len(pools[0].members)), dtype=int)
    for index, pool in enumerate(pools):
        groups[:, pool.members] = [part[index] for part in parts]
    return groups


def _drawn_groups(pools: Sequence[_Pool], groups: int, seed: int) -> Array:
    """Draw random groups (group, unit of the group) of units; each draws as many units from each pool as the action."""
    rng = np.random.default_rng(seed)
    drawn = np.empty((groups, len(pools[0].members)), dtype=int)
    for pool in pools:
        order = np.argsort(rng.random((groups, len(pool.units))), axis=1)[:, : pool.n_drawn]
        drawn[:, pool.members] = pool.units[order]
    return drawn


def signature_of(action: Action, target: Array) -> tuple[bytes, ...]:
    """Return a key of an action that ignores which units inside and outside the target (unit,) undergo it."""
    units = action.units
    sources = [cut.sources.astype(float) for cut in action.cuts]
    of_units = [action.held, action.level, action.follows, action.gain, action.current]
    columns = np.stack([target, *of_units, *sources])[:, units]
    rows = columns[:, np.lexsort(columns)]
    cuts = [cut.targets.tobytes() + bytes([cut.sign + 1]) for cut in action.cuts]
    return rows.tobytes(), action.inputs.tobytes(), bytes(action.latents), *cuts
