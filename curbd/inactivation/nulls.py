"""The null of an effect: the same done to as many other units, drawn at random.

The groups are drawn from all units outside the target, the ones that were really acted on among them; where a part of
the target itself is acted on, as many of its units are drawn from the target. If the labels of the units meant nothing,
the real group would be one more such draw, so that the share of groups with at least its effect is uniform (a
permutation test: Phipson & Smyth, Stat. Appl. Genet. Mol. Biol. 2010). The effect is read from those units of the
target that are not held themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from curbd.inactivation.effects import Targets, Trials, effects
from curbd.network.perturbation import Action, Perturbation, moved
from curbd.network.perturbed_run import Networks
from curbd.progress import progress

Array = np.ndarray
TRIALS = 8
"""Trials of a condition, at most, in which real and random groups are compared."""


class Null(NamedTuple):
    """low, high, p_value : (member, perturbation, condition, target), the regions first, then the projections.

    NaN where there is no other group.
    """

    low: Array
    high: Array
    p_value: Array


def null(
    fits: Networks,
    plan: Sequence[Perturbation],
    regions: Array,
    names: Sequence[str],
    projections: Array,
    trials: Trials,
    *,
    groups: int,
    noise_draws: int = 0,
    seed: int = 0,
) -> Null:
    """Compare every perturbation with random groups, for every target region, latent and readout.

    Parameters
    ----------
    regions : (region, unit) units of every region.
    names : of the regions; a cut pathway has a null for its own target only.
    projections : (member, projection, unit) latents and readouts.
    groups : random groups for each comparison.

    Returns
    -------
    The middle 95 % of the rms effect of the groups, and the p value of an effect as large as the real one.
    """
    n_projections = projections.shape[1]
    shape = (len(fits.members), len(plan), len(trials.share), len(regions) + n_projections)
    found = Null(*(np.full(shape, np.nan) for _ in Null._fields))
    # Behind the regions stands a target of no units, for the projections.
    read = np.concatenate([regions, np.zeros_like(regions[: min(n_projections, 1)])])
    pairs = [
        (which, target)
        for which, one in enumerate(plan)
        for target in range(len(read))
        if groups and (one.pathway is None or [*names, None][target] == one.pathway[1])
    ]
    runs: list[Perturbation] = []
    targets: list[Array] = []
    drawn: dict[tuple[bytes, ...], slice] = {}
    compared: list[tuple[int, int, int, slice]] = []
    for which, target in pairs:
        one = plan[which]
        others = random_groups(one.action, read[target], groups, seed)
        if not len(others):
            continue
        # What is alike in all but which units it is done to shares its groups.
        same = [np.array([target, one.strength]).tobytes(), one.when.tobytes()]
        alike = (*same, *_signature(one.action, read[target]))
        if alike not in drawn:
            drawn[alike] = slice(len(runs), len(runs) + groups)
            units = np.flatnonzero(one.action.units)
            runs += [one._replace(action=moved(one.action, units, group)) for group in others]
            targets += [read[target]] * groups
        compared.append((which, target, len(runs), drawn[alike]))
        runs.append(one)
        targets.append(read[target])
    if not runs:
        return found
    with progress(len(runs), "random groups") as advance:
        rms = _rms(fits, runs, targets, projections, trials, noise_draws, seed, advance)
    for which, target, real, random in compared:
        own, of = (
            (slice(target, target + 1), slice(1)) if target < len(regions) else (slice(target, None), slice(1, None))
        )
        known, mine = rms[:, random, :, of], rms[:, real, :, of]
        found.low[:, which, :, own], found.high[:, which, :, own] = np.percentile(known, [2.5, 97.5], axis=1)
        p_value = (1 + (known >= mine[:, None]).sum(1)) / (1 + groups)
        found.p_value[:, which, :, own] = np.where(np.isfinite(mine), p_value, np.nan)
    return found


def _rms(
    fits: Networks,
    runs: Sequence[Perturbation],
    targets: Sequence[Array],
    projections: Array,
    trials: Trials,
    noise_draws: int,
    seed: int,
    advance: Callable[[int], object],
) -> Array:
    """(member, run, condition, 1 + projection) rms effect of every run on its target, in its window and some trials."""
    few = _few(trials, seed)
    fits = fits.of_trials(few)
    rms = np.empty((len(fits.members), len(runs), len(trials.share), 1 + projections.shape[1]))
    windows = {one.when.tobytes(): one.when for one in runs}
    for window in windows.values():
        chosen = [number for number, one in enumerate(runs) if np.array_equal(one.when, window)]
        # What comes after the window need not be run.
        time = slice(0, int(np.flatnonzero(window)[-1]) + 1)
        part = [runs[number]._replace(when=window[time]) for number in chosen]
        alive = np.stack([targets[number] & ~runs[number].action.held for number in chosen])[:, None]
        result, _ = effects(
            fits._replace(inputs=fits.inputs[:, :, time]),
            part,
            Trials(trials.x[few, time], trials.share[:, few, time]),
            Targets(alive.astype(float), projections),
            compare=False,
            noise_draws=noise_draws,
            seed=seed,
            advance=advance,
        )
        rms[:, chosen] = np.sqrt(result.in_window(result.square, part))
    return rms


def random_groups(action: Action, target: Array, groups: int, seed: int) -> Array:
    """(group, unit) numbers of the units to which an action is moved; none where no other group could be drawn.

    Parameters
    ----------
    target : (unit,) where the effect is read, no unit for what is made of all; inside and outside of it as many units
        are drawn as the action has.
    """
    units = np.flatnonzero(action.units)
    inside = target[units]
    none = np.zeros((0, len(units)), dtype=int)
    if not len(units) or (target.any() and not (target & ~action.held).any()):
        return none
    parts = [(inside, np.flatnonzero(target)), (~inside, np.flatnonzero(~target))]
    if all(where.sum() in (0, len(pool)) for where, pool in parts):
        return none
    rng = np.random.default_rng(seed)
    drawn = np.empty((groups, len(units)), dtype=int)
    for where, pool in parts:
        order = np.argsort(rng.random((groups, len(pool))), axis=1)[:, : int(where.sum())]
        drawn[:, where] = pool[order]
    return drawn


def _signature(action: Action, target: Array) -> tuple[bytes, ...]:
    """What is done, whichever units inside and outside the target it is done to."""
    units = action.units
    sources = [cut.sources.astype(float) for cut in action.cuts]
    columns = np.stack([target, action.held, action.level, action.gain, action.current, *sources])[:, units]
    rows = columns[:, np.lexsort(columns)]
    cuts = [cut.targets.tobytes() + bytes([cut.sign + 1]) for cut in action.cuts]
    return rows.tobytes(), action.inputs.tobytes(), bytes(action.latents), *cuts


def _few(trials: Trials, seed: int) -> Array:
    """Numbers of the trials of the comparison: a random part of each condition."""
    rng = np.random.default_rng(seed)
    chosen = []
    for of_condition in trials.share:
        numbers = np.flatnonzero(of_condition.any(1))
        chosen.append(rng.permutation(numbers)[:TRIALS])
    return np.sort(np.concatenate(chosen))
