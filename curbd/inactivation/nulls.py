"""The null of an effect: an identical action on a random group of units, as many as the action really perturbs.

A random group is drawn from all units outside the target; the units that the action really perturbs may be drawn as
well. If the action perturbs some units of the target itself, equally many units of the group are drawn from the target.
If it did not matter which units are perturbed, the real group would be one more random draw, so that the share of
groups with at least the real effect is uniformly distributed (a permutation test: Phipson & Smyth, Stat. Appl. Genet.
Mol. Biol. 2010). The effect is averaged over the units of the target that are not held.

If there are few groups, as with regions of one unit, all of them are compared with the real group, each once. The
smallest p-value is then one over their number, which no larger number of draws would lower.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from curbd.inactivation.effect_sums import Targets
from curbd.inactivation.effects import effects
from curbd.inactivation.random_groups import RandomGroups, random_groups, signature_of
from curbd.inactivation.simulation import RunStarts, Simulation
from curbd.network.perturbation import Perturbation, moved
from curbd.progress import progress

Array = np.ndarray
MAX_NULL_TRIALS = 8
"""Largest number of trials of a condition in which real and random groups are compared."""
NULL_INTERVAL_PERCENT = (2.5, 97.5)
"""Percentiles of the effects of random groups between which the middle 95 % lie."""


class EffectNull(NamedTuple):
    """Effects of random groups of units, on the regions first, then on the projections.

    Attributes
    ----------
    low : (member, perturbation, condition, target) lower end of the middle 95 % of the rms effects of random groups;
        all fields are NaN if no other group could be drawn.
    high : (member, perturbation, condition, target) upper end of the middle 95 %.
    p_value : (member, perturbation, condition, target) share of groups, the real group included, whose effect is at
        least as large as the real effect.
    """

    low: Array
    high: Array
    p_value: Array


def effect_null(
    simulation: Simulation,
    perturbations: Sequence[Perturbation],
    regions: Mapping[str, Array],
    projections: Array,
    *,
    groups: int,
) -> EffectNull:
    """Compare the effect of every perturbation with the effects on random groups of units, for every target.

    Parameters
    ----------
    simulation : the networks and the states from which they start; the field ``seed`` is also the seed for the choice
        of trials and groups.
    perturbations : the perturbations; a cut pathway is compared for the target of the pathway only.
    regions : name -> (unit,) bool, True for the units of the region.
    projections : (member, projection, unit) weights of latents and readouts.
    groups : number of random groups per comparison.

    Returns
    -------
    The middle 95 % of the rms effects of random groups, and the p-values of the real effects.
    """
    n_regions, n_projections = len(regions), projections.shape[1]
    shape = (len(simulation.fits.members), len(perturbations), len(simulation.starts.weight), n_regions + n_projections)
    low, high, p_value = (np.full(shape, np.nan) for _ in EffectNull._fields)
    runs = _Runs(groups, simulation.seed)
    for index, target, units in _pairs(perturbations, regions, n_projections) if groups else ():
        runs.add(perturbations[index], index, target, units)
    if not runs.perturbations:
        return EffectNull(low, high, p_value)
    batches = _batches(runs)
    with progress(sum(map(len, batches)), "random groups") as advance:
        rms = _rms(simulation, runs, batches, projections, advance)
    for index, target, real_run, random_runs in runs.comparisons:
        # Column 0 of the effects is the region, all other columns are the projections.
        targets, columns = slice(target, target + 1), slice(1)
        if target == n_regions:
            targets, columns = slice(target, None), slice(1, None)
        random, real = rms[:, random_runs][..., columns], rms[:, real_run, :, columns]
        low[:, index, :, targets], high[:, index, :, targets] = np.percentile(random, NULL_INTERVAL_PERCENT, axis=1)
        p = (1 + (random >= real[:, None]).sum(1)) / (1 + len(random_runs))
        p_value[:, index, :, targets] = np.where(np.isfinite(real), p, np.nan)
    return EffectNull(low, high, p_value)


def _pairs(
    perturbations: Sequence[Perturbation], regions: Mapping[str, Array], n_projections: int
) -> Iterator[tuple[int, int, Array]]:
    """Yield index of a perturbation, index of a target, and units of the target, for all pairs that have a null.

    All projections together are one additional target after the regions, a target without units.
    """
    names: list[str | None] = [*regions]
    units = [*regions.values()]
    if n_projections:
        names.append(None)
        units.append(np.zeros_like(units[0]))
    for index, perturbation in enumerate(perturbations):
        for target, name in enumerate(names):
            if perturbation.pathway is None or name == perturbation.pathway[1]:
                yield index, target, units[target]


class _Comparison(NamedTuple):
    """A perturbation and a target, and the runs of the real group and of the random groups (group,), by index."""

    perturbation: int
    target: int
    real_run: int
    random_runs: Array


class _Runs:
    """All simulations behind the comparisons; perturbations that differ only in their units share random groups.

    Parameters
    ----------
    groups : number of random groups per comparison.
    seed : seed for the random groups.
    """

    def __init__(self, groups: int, seed: int) -> None:
        self.groups = groups
        self.seed = seed
        self.perturbations: list[Perturbation] = []
        self.targets: list[Array] = []
        self.comparisons: list[_Comparison] = []
        self.drawn: dict[tuple[bytes, ...], tuple[RandomGroups, int]] = {}

    def add(self, perturbation: Perturbation, index: int, target: int, target_units: Array) -> None:
        """Add a perturbation and its random groups, unless no other group could be drawn.

        Parameters
        ----------
        perturbation, index : the perturbation, and its index.
        target, target_units : index of the target, and its units (unit,).
        """
        action = perturbation.action
        random = random_groups(action, target_units, self.groups, self.seed)
        if not len(random.units):
            return
        units = np.flatnonzero(action.units)
        setting = [np.array([target, perturbation.strength]).tobytes(), perturbation.when.tobytes()]
        key = (*setting, *signature_of(action, target_units))
        if key not in self.drawn:
            self.drawn[key] = random, len(self.perturbations)
            self.perturbations += [perturbation._replace(action=moved(action, units, group)) for group in random.units]
            self.targets += [target_units] * len(random.units)
        shared, first_run = self.drawn[key]
        random_runs = first_run + shared.beside(units)
        self.comparisons.append(_Comparison(index, target, len(self.perturbations), random_runs))
        self.perturbations.append(perturbation)
        self.targets.append(target_units)


def _rms(
    simulation: Simulation,
    runs: _Runs,
    batches: list[list[list[int]]],
    projections: Array,
    advance: Callable[[int], object],
) -> Array:
    """Compute the rms effect of every simulation on its target, in its time window and in some trials.

    Parameters
    ----------
    simulation : the networks and the states from which they start.
    runs : runs with real and random groups, and the target of each run.
    batches : the runs in batches, see `_batches`.
    projections : (member, projection, unit) weights of latents and readouts.
    advance : called with the number of simulations that were completed since the last call.

    Returns
    -------
    (member, run, condition, 1 + projection) rms effects, the target first.
    """
    simulation = simulation._replace(truth=None).of_trials(_null_trials(simulation.starts, simulation.seed))
    fits, starts = simulation.fits, simulation.starts
    rms = np.empty((len(fits.members), len(runs.perturbations), len(starts.weight), 1 + projections.shape[1]))
    for batch in batches:
        perturbations = [runs.perturbations[shared[0]] for shared in batch]
        window = perturbations[0].when
        # What comes after the window need not be run.
        time = slice(0, int(np.flatnonzero(window)[-1]) + 1)
        perturbations = [perturbation._replace(when=window[time]) for perturbation in perturbations]
        alive = [[runs.targets[run] & ~runs.perturbations[run].action.held for run in shared] for shared in batch]
        until_the_end = simulation._replace(
            fits=fits._replace(inputs=fits.inputs[:, :, time]),
            starts=RunStarts(starts.x[:, time], starts.weight[:, :, time]),
        )
        targets = Targets(np.array(alive, dtype=float), projections)
        result, _ = effects(until_the_end, perturbations, targets, compare=False, advance=advance)
        values = np.sqrt(result.in_window(result.square, perturbations))
        n_targets = len(batch[0])
        for column in range(n_targets):
            of_run = np.concatenate([values[..., [column]], values[..., n_targets:]], axis=-1)
            rms[:, [shared[column] for shared in batch]] = of_run
    return rms


def _batches(runs: _Runs) -> list[list[list[int]]]:
    """Divide all runs into batches that are simulated together.

    Runs of the same perturbation, which differ only in their target, are simulated once: with regions of one unit, the
    random groups of one region are the real groups of others.

    Returns
    -------
    Batches, each a list of simulations with the same time window and the same number of runs; a simulation is the list
    of the indices of its runs.
    """
    same: dict[tuple[bytes, ...], list[int]] = {}
    for run, perturbation in enumerate(runs.perturbations):
        same.setdefault(_simulated(perturbation), []).append(run)
    batches: dict[tuple[bytes, int], list[list[int]]] = {}
    for shared in same.values():
        window = runs.perturbations[shared[0]].when.tobytes()
        batches.setdefault((window, len(shared)), []).append(shared)
    return list(batches.values())


def _simulated(perturbation: Perturbation) -> tuple[bytes, ...]:
    """Return a key of everything that a simulation of a perturbation depends on."""
    action = perturbation.action
    fields = [
        perturbation.when,
        np.array(perturbation.strength),
        action.held,
        action.level,
        action.follows,
        action.gain,
        action.current,
        action.inputs,
    ]
    cuts = [part.tobytes() for cut in action.cuts for part in (cut.sources, cut.targets)]
    signs = bytes(cut.sign + 1 for cut in action.cuts)
    return *(field.tobytes() for field in fields), bytes(action.latents), signs, *cuts


def _null_trials(starts: RunStarts, seed: int) -> Array:
    """Choose the trials of the comparison at random from each condition, and return their indices."""
    rng = np.random.default_rng(seed)
    chosen = []
    for weight in starts.weight:
        trials = np.flatnonzero(weight.any(1))
        chosen.append(rng.permutation(trials)[:MAX_NULL_TRIALS])
    return np.sort(np.concatenate(chosen))
