"""Effects: perturbed minus intact rates, averaged over trials as they run, in chunks that bound the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.perturbation import Perturbation
from curbd.network.perturbed_run import Networks, onset, rates
from curbd.network.tensors import device, tensor

Array = np.ndarray
STATES = {"cpu": 2**20, "cuda": 2**25}
"""States (member, run, trial, unit) that are carried at once; a few arrays of this size are alive at any time."""


class Trials(NamedTuple):
    """Where runs start and where effects are read.

    Attributes
    ----------
    x : (trial, time, unit) recorded states, where runs may start; the last one before where none was observed.
    share : (condition, trial, time) 1 for the observed bins of the trials of a condition, else 0.
    """

    x: Array
    share: Array


class Targets(NamedTuple):
    """What effects are read from.

    Attributes
    ----------
    units : (perturbation, target, unit) units whose effects are averaged.
    projections : (member, target, unit) further targets, weighted sums over all units.
    """

    units: Array
    projections: Array


class Effects(NamedTuple):
    """Effects averaged over the trials of a condition; of a target also over its units.

    Attributes
    ----------
    mean, square, intact : (member, perturbation, condition, time, target) effect, its square, and the intact rates.
    unit_mean, unit_square, unit_intact : (member, perturbation, condition, unit) in the window.
    missed : (member, perturbation, condition, target) mean square of what separates the effect from that of the first
        member, in the window.
    true_missed : the same for the true network's effect, 0 where it is not known.
    expected_missed : (1, perturbation, condition, target) the same for the mean effect over the drawn networks.
    trials : (condition, time) how many are behind the means.
    """

    mean: Array
    square: Array
    intact: Array
    unit_mean: Array
    unit_square: Array
    unit_intact: Array
    missed: Array
    true_missed: Array
    expected_missed: Array
    trials: Array

    def in_window(self, values: Array, plan: Sequence[Perturbation]) -> Array:
        """Mean over trials and the time of each window: (..., perturbation, condition, time, target) without time."""
        weight = np.array([self.trials * one.when for one in plan]).reshape(len(plan), *self.trials.shape)
        total = weight.sum(-1)
        some = np.where(total > 0, total, np.nan)
        result: Array = np.einsum("mpctq,pct->mpcq", np.nan_to_num(values), weight) / some[..., None]
        return result


def effects(
    fits: Networks,
    plan: Sequence[Perturbation],
    trials: Trials,
    targets: Targets,
    truth: Networks | None = None,
    *,
    n_fits: int | None = None,
    compare: bool = True,
    noise_draws: int = 0,
    seed: int = 0,
    advance: Callable[[int], object] = lambda more: None,
) -> tuple[Effects, Effects | None]:
    """Run every network intact and under every perturbation from the same states, and average the differences.

    Runs start from the recorded states at the onset of the window: until then the intact run is the recording itself,
    and there is no effect.

    Parameters
    ----------
    fits : the networks; the first is the one that the others are compared with.
    truth : the network behind a teacher recording, run without noise.
    n_fits : how many of the members are fits; those beyond are drawn from the posterior of the first, and compared with
        it, while the fits and the mean effect of the drawn ones are compared with the truth. None: all, and compared
        with the first as well.
    compare : whether ``missed`` is wanted; else it is 0.
    noise_draws : 0 for runs without noise, else draws of the noise for each trial.
    advance : called with how many more perturbations are done (see `curbd.progress`).

    Returns
    -------
    The effects in the fits, and in the true network where it is given.
    """
    if not plan:
        return _none(len(fits.members), trials, targets), None if truth is None else _none(1, trials, targets)
    n_trials, _, n_units = trials.x.shape
    most = STATES[device().type]
    n_networks = len(fits.members) + (truth is not None)
    n_fits = len(fits.members) if n_fits is None else n_fits
    drawn = n_fits if n_fits < len(fits.members) else 1
    compared = _Compared(drawn if compare else len(fits.members), n_fits)
    of_fits: list[Effects] = []
    of_truth: list[Effects] = []
    draws = max(noise_draws, 1)
    groups = list(_groups(plan, n_units))
    for group, size in groups:
        at_once = max(1, min(n_trials, most // (n_networks * n_units * draws * (1 + min(len(group), 8)))))
        runs = max(1, most // (n_networks * n_units * max(at_once * draws, size)) - 1)
        for start in range(0, len(group), runs):
            chosen = group[start : start + runs]
            part = [plan[number] for number in chosen]
            sums: list[tuple[_Sums, _Sums | None]] = []
            for first in range(0, n_trials, at_once):
                numbers = np.repeat(np.arange(first, min(first + at_once, n_trials)), draws)
                some = Trials(trials.x[numbers], trials.share[:, numbers])
                rng = np.random.default_rng([seed, first]) if noise_draws else None
                chunk = _chunk(
                    fits.of_trials(numbers),
                    part,
                    some,
                    targets._replace(units=targets.units[chosen]),
                    None if truth is None else truth.of_trials(numbers),
                    rng,
                    compared,
                )
                sums.append(chunk)
            count = trials.share.sum(1) * draws
            of_fits.append(_means(_added([one for one, _ in sums]), part, count))
            known = [one for _, one in sums if one is not None]
            if known:
                of_truth.append(_means(_added(known), part, count))
            advance(len(part))
    order = np.argsort(np.concatenate([group for group, _ in groups]))
    return _joined(of_fits, order), _joined(of_truth, order) if of_truth else None


def _groups(plan: Sequence[Perturbation], n_units: int) -> Iterator[tuple[Array, int]]:
    """Numbers of the perturbations that run together, and the rows of the weights that each has of its own.

    Those of one onset start together. Those that cut weights are kept apart, as few at a time as these weights fill.
    """
    begins = np.array([onset([one]) for one in plan])
    own = np.array([bool(one.action.cuts or one.action.latents) for one in plan])
    for begin in np.unique(begins):
        for group, size in (((begins == begin) & ~own, 0), ((begins == begin) & own, n_units)):
            if group.any():
                yield np.flatnonzero(group), size


class _Compared(NamedTuple):
    """Members from this number on are compared with the first one; so many of the first with the truth."""

    with_first: int
    with_truth: int


class _Sums(NamedTuple):
    """Sums over trials of the fields of `Effects`; those of the window also over its time."""

    mean: torch.Tensor
    square: torch.Tensor
    intact: torch.Tensor
    unit_mean: torch.Tensor
    unit_square: torch.Tensor
    unit_intact: torch.Tensor
    missed: torch.Tensor
    true_missed: torch.Tensor
    expected_missed: torch.Tensor


def _chunk(
    fits: Networks,
    plan: Sequence[Perturbation],
    trials: Trials,
    targets: Targets,
    truth: Networks | None,
    rng: np.random.Generator | None,
    compared: _Compared,
) -> tuple[_Sums, _Sums | None]:
    """Run some perturbations in some trials."""
    units = tensor(targets.units)
    units = units / units.sum(-1, keepdim=True).clamp_min(1)
    projections = tensor(targets.projections)
    share = tensor(trials.share)
    when = tensor(np.stack([one.when for one in plan]).astype(float))
    n_conditions, _, n_times = share.shape
    begin = onset(plan)
    recorded = tensor(np.einsum("kit,itu->tku", trials.share[:, :, :begin], np.tanh(trials.x[:, :begin])))

    def empty(networks: Networks) -> _Sums:
        n, n_targets = len(networks.members), units.shape[1] + projections.shape[1]
        by_time, by_target, by_unit = (n_times, n_targets), (n_targets,), (units.shape[2],)
        shapes = [(n, *by_time)] * 3 + [(n, *by_unit)] * 3 + [(n, *by_target)] * 2 + [(1, *by_target)]
        sums = _Sums(*(share.new_zeros((m, len(plan), n_conditions, *shape)) for m, *shape in shapes))
        for t, intact in enumerate(recorded):
            sums.intact[..., t, :] = _of_targets(intact.expand(n, 1, -1, -1), units, projections[:n])
        return sums

    def read(sums: _Sums, r: torch.Tensor, t: int, read_out: torch.Tensor) -> torch.Tensor:
        """Add the effects of one sample to the sums; the effect itself (member, perturbation, trial, unit)."""
        intact = share[:, :, t] @ r[:, :1]
        sums.intact[..., t, :] += _of_targets(intact, units, read_out)
        inside = when[:, t, None, None]
        sums.unit_intact.add_(inside * intact)
        effect = r[:, 1:] - r[:, :1]
        mean, square = share[:, :, t] @ effect, share[:, :, t] @ effect.square()
        sums.mean[..., t, :] += _of_targets(mean, units, read_out)
        sums.square[..., t, :] += _squares(effect, square, units, read_out, share[:, :, t])
        sums.unit_mean.add_(inside * mean)
        sums.unit_square.add_(inside * square)
        return effect

    def miss(sum_of: torch.Tensor, away: torch.Tensor, read_out: torch.Tensor, t: int) -> None:
        square = share[:, :, t] @ away.square()
        sum_of += when[:, t, None, None] * _squares(away, square, units, read_out, share[:, :, t])

    of_fits, of_truth = empty(fits), None if truth is None else empty(truth)
    later, scored = compared
    x0 = trials.x[:, begin]
    steps = rates(fits, plan, x0, rng)
    true_steps = None if truth is None else rates(truth, plan, x0)
    for t, r in enumerate(steps, start=begin):
        effect = read(of_fits, r, t, projections)
        inside = bool(when[:, t].any())
        if inside and later < len(effect):
            miss(of_fits.missed[later:], effect[later:] - effect[:1], projections[later:], t)
        if of_truth is not None and true_steps is not None:
            true_effect = read(of_truth, next(true_steps), t, projections[:1])
            if inside:
                miss(of_fits.true_missed[:scored], effect[:scored] - true_effect, projections[:scored], t)
                if scored < len(effect):
                    away = effect[scored:].mean(0, keepdim=True) - true_effect
                    miss(of_fits.expected_missed, away, projections[scored:][:1], t)
    return of_fits, of_truth


def _of_targets(mean: torch.Tensor, units: torch.Tensor, projections: torch.Tensor) -> torch.Tensor:
    """(member, run, condition, unit) averaged over the units of each target, then projected."""
    averaged = torch.einsum("mpcn,pqn->mpcq", mean.expand(-1, len(units), -1, -1), units)
    projected = torch.einsum("mpcn,mqn->mpcq", mean.expand(-1, len(units), -1, -1), projections)
    return torch.cat([averaged, projected], dim=-1)


def _squares(
    effect: torch.Tensor, square: torch.Tensor, units: torch.Tensor, projections: torch.Tensor, share: torch.Tensor
) -> torch.Tensor:
    """The same for squares: a projection is squared in every trial."""
    averaged = torch.einsum("mpcn,pqn->mpcq", square, units)
    if not projections.shape[1]:
        return averaged
    projected = effect @ projections.mT[:, None]
    return torch.cat([averaged, share @ (projected * projected)], dim=-1)


def _added(parts: Sequence[_Sums]) -> _Sums:
    return _Sums(*(torch.stack(fields).sum(0) for fields in zip(*parts, strict=True)))


def _means(sums: _Sums, plan: Sequence[Perturbation], count: Array) -> Effects:
    """Sums over their number of trials, and of bins; NaN where there are none."""
    by_time = np.where(count > 0, count, np.nan)[None, None, :, :, None]
    inside = np.stack([(count * one.when).sum(-1) for one in plan])
    by_window = np.where(inside > 0, inside, np.nan)[None, ..., None]
    over = dict.fromkeys(("mean", "square", "intact"), by_time)
    means = {name: values.cpu().numpy() / over.get(name, by_window) for name, values in sums._asdict().items()}
    return Effects(**means, trials=count)


def _none(members: int, trials: Trials, targets: Targets) -> Effects:
    """The effects of no perturbation at all."""
    n_conditions, _, n_times = trials.share.shape
    n_targets = targets.units.shape[1] + targets.projections.shape[1]
    by_time = np.zeros((members, 0, n_conditions, n_times, n_targets))
    by_unit = np.zeros((members, 0, n_conditions, trials.x.shape[2]))
    by_target = np.zeros((members, 0, n_conditions, n_targets))
    missed = by_target, by_target, by_target[:1]
    return Effects(by_time, by_time, by_time, by_unit, by_unit, by_unit, *missed, trials.share.sum(1))


def _joined(parts: Sequence[Effects], order: Array) -> Effects:
    """Perturbations of all chunks, in their order."""
    fields = {
        name: np.concatenate([getattr(part, name) for part in parts], axis=1)[:, order]
        for name in Effects._fields
        if name != "trials"
    }
    return parts[0]._replace(**fields)
