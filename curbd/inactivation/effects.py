"""Effects of perturbations: perturbed minus intact rates, averaged over trials while the networks are simulated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curbd.inactivation.effect_sums import BinComparison, Compared, EffectSums, Reading, Targets
from curbd.inactivation.simulation import RunStarts, Simulation, batches
from curbd.network.perturbation import Perturbation
from curbd.network.perturbed_run import onset, rates
from curbd.network.tensors import device, tensor

if TYPE_CHECKING:
    import torch

Array = np.ndarray
STATES_OF_PART = 1 << 18
"""Number of states of the networks that take a bin together, which stay in the cache of a processor."""


class Effects(NamedTuple):
    """Effects, averaged over the trials of a condition; effects on a target are also averaged over the target's units.

    Effects are differences of scaled rates, which lie in (-1, 1). Effects on projections are in the units of the
    projected variable. Members are the networks that are simulated together: the fits, and networks drawn from a
    posterior.

    Attributes
    ----------
    mean : (member, perturbation, condition, time, target) effect.
    square : (member, perturbation, condition, time, target) mean of the squared effects of single trials and units.
    intact : (member, perturbation, condition, time, target) rates of the intact run.
    unit_mean : (member, perturbation, condition, unit) effect, averaged over the time window.
    unit_square : (member, perturbation, condition, unit) mean of the squared effects of single trials and bins of
        the time window.
    unit_intact : (member, perturbation, condition, unit) rates of the intact run, averaged over the time window.
    square_from_first : (member, perturbation, condition, target) squared difference from the effect in the first
        member, averaged over the window.
    square_from_truth : (member, perturbation, condition, target) squared difference from the effect in the true
        network, averaged over the window; 0 without a true network.
    expected_square_from_truth : (1, perturbation, condition, target) squared difference between the mean effect over
        the drawn networks and the effect in the true network, averaged over the window.
    n_trials : (condition, time) number of runs behind the means.
    """

    mean: Array
    square: Array
    intact: Array
    unit_mean: Array
    unit_square: Array
    unit_intact: Array
    square_from_first: Array
    square_from_truth: Array
    expected_square_from_truth: Array
    n_trials: Array

    def in_window(self, values: Array, perturbations: Sequence[Perturbation]) -> Array:
        """Average values over the time window of each perturbation; every simulated trial counts equally in every bin.

        Parameters
        ----------
        values : (..., perturbation, condition, time, target) averages over trials.
        perturbations : the perturbations, whose time windows are used.

        Returns
        -------
        (..., perturbation, condition, target) averages; NaN if no bin of the window was observed.
        """
        weight = np.array([self.n_trials * perturbation.when for perturbation in perturbations])
        weight = weight.reshape(len(perturbations), *self.n_trials.shape)
        total = weight.sum(-1)
        divisor = np.where(total > 0, total, np.nan)
        return np.einsum("mpctq,pct->mpcq", np.nan_to_num(values), weight) / divisor[..., None]


def effects(
    simulation: Simulation,
    perturbations: Sequence[Perturbation],
    targets: Targets,
    *,
    n_fits: int | None = None,
    compare: bool = True,
    advance: Callable[[int], object] = lambda more: None,
) -> tuple[Effects, Effects | None]:
    """Simulate every network intact and under every perturbation from the same states, and average the differences.

    Simulations start from the recorded states at the onset of the time window. In earlier bins the intact run is the
    recording itself, and the effect is 0.

    Parameters
    ----------
    simulation : the networks and the states from which they start.
    perturbations : the perturbations, each of which is simulated.
    targets : the groups of units and the projections on which effects are measured.
    n_fits : number of fits among the networks. The fits come first; all other networks were drawn from the posterior of
        the first fit. The effects of drawn networks are compared with the effects of the first fit. The effects of the
        fits, and the mean effects over the drawn networks, are compared with the effects of the true network. With
        None, all networks are fits, and every fit is compared with the first fit as well.
    compare : whether to compute the squared difference between the effect in each network and the effect in the first
        fit (``square_from_first``); if not, the difference is 0.
    advance : called with the number of perturbations that were completed since the last call (see `curbd.progress`).

    Returns
    -------
    The effects in the fits, and the effects in the true network, or None without a true network.
    """
    members, starts = simulation.fits.members, simulation.starts
    if not perturbations:
        empty = _no_effects(len(members), starts, targets)
        return empty, None if simulation.truth is None else _no_effects(1, starts, targets)
    compared = Compared.of(len(members), n_fits, compare)
    count = starts.weight.sum(1) * simulation.draws
    of_fits: list[Effects] = []
    of_truth: list[Effects] = []
    order: list[Array] = []
    for indices, trials_at_once in batches(simulation, perturbations):
        batch = [perturbations[index] for index in indices]
        batch_targets = targets._replace(units=targets.units[indices])
        sums, true_sums = _summed(simulation, batch, batch_targets, compared, trials_at_once)
        of_fits.append(_means(sums, batch, count))
        if true_sums is not None:
            of_truth.append(_means(true_sums, batch, count))
        order.append(indices)
        advance(len(batch))
    config_order = np.argsort(np.concatenate(order))
    return _joined(of_fits, config_order), _joined(of_truth, config_order) if of_truth else None


def _summed(
    simulation: Simulation,
    perturbations: Sequence[Perturbation],
    targets: Targets,
    compared: Compared,
    trials_at_once: int,
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor] | None]:
    """Sum effects over all trials, some trials at a time, in the fits and in the true network.

    Parameters
    ----------
    simulation : the networks and the states from which they start.
    perturbations : perturbations with a common onset, which are simulated together.
    targets : the targets of the effects of these perturbations.
    compared : which members are compared with what.
    trials_at_once : number of trials that run together.
    """
    n_trials = len(simulation.starts.x)
    of_fits: list[EffectSums] = []
    of_truth: list[EffectSums] = []
    for first in range(0, n_trials, trials_at_once):
        trials = np.repeat(np.arange(first, min(first + trials_at_once, n_trials)), simulation.draws)
        noise_seed = [simulation.seed, first] if simulation.noise_draws else None
        sums, true_sums = _run(simulation.of_trials(trials), perturbations, targets, compared, noise_seed)
        of_fits.append(sums)
        of_truth += [] if true_sums is None else [true_sums]
    return _added(of_fits), _added(of_truth) if of_truth else None


def _run(
    simulation: Simulation,
    perturbations: Sequence[Perturbation],
    targets: Targets,
    compared: Compared,
    noise_seed: Sequence[int] | None,
) -> tuple[EffectSums, EffectSums | None]:
    """Simulate some perturbations in all trials of a simulation at once.

    Every bin is simulated by one part of the networks after the other, so that the states of a part are read while they
    are in the cache.

    Parameters
    ----------
    simulation : the networks and the states from which they start.
    perturbations : perturbations with a common onset.
    targets : the targets of the effects of these perturbations.
    compared : which members are compared with what.
    noise_seed : seed of the noise, or None for simulations without noise.
    """
    fits, starts, truth = simulation.fits, simulation.starts, simulation.truth
    reading = Reading.of(starts, perturbations, targets)
    begin, phi = onset(perturbations), fits.members[0].nonlinearity.phi
    recorded = tensor(np.einsum("kit,itu->tku", starts.weight[:, :, :begin], phi(starts.x[:, :begin])))
    sums = EffectSums(len(fits.members), reading, recorded)
    true_sums = None if truth is None else EffectSums(1, reading.of_members(slice(1)), recorded)
    before = starts.x[:, : begin + 1]
    true_rates: Iterator[torch.Tensor] = iter(()) if truth is None else rates(truth, perturbations, before)

    def simulated(part: slice) -> Iterator[torch.Tensor]:
        # All networks receive the same noise.
        rng = None if noise_seed is None else np.random.default_rng(noise_seed)
        return rates(fits.of_members(part), perturbations, before, rng)

    parts = list(_parts(len(fits.members), (1 + len(perturbations)) * starts.x[:, 0].size))
    runs = [simulated(part) for part in parts]
    for t in range(begin, starts.x.shape[1]):
        true_effect = None if true_sums is None else true_sums.add(next(true_rates), slice(1), t)
        comparison = BinComparison(sums, compared, true_effect, t)
        in_any_window = bool(reading.inside[:, t].any())
        for part, run in zip(parts, runs, strict=True):
            effect = sums.add(next(run), part, t)
            if in_any_window:
                comparison.add(effect, part)
        comparison.end()
    return sums, true_sums


def _parts(n_members: int, states_of_member: int) -> Iterator[slice]:
    """Divide the networks into parts whose states stay in the cache of a processor; on a GPU there is one part."""
    at_once = max(1, STATES_OF_PART // states_of_member) if device().type == "cpu" else n_members
    for first in range(0, n_members, at_once):
        yield slice(first, min(first + at_once, n_members))


def _added(chunks: Sequence[EffectSums]) -> dict[str, torch.Tensor]:
    """Add up the sums of all chunks of trials."""
    import torch

    return {name: torch.stack([chunk.fields[name] for chunk in chunks]).sum(0) for name in chunks[0].fields}


def _means(sums: dict[str, torch.Tensor], perturbations: Sequence[Perturbation], count: Array) -> Effects:
    """Divide sums by the number of simulated trials (condition, time), and of bins in the window; NaN without any."""
    by_time = np.where(count > 0, count, np.nan)[None, None, :, :, None]
    runs_in_window = np.stack([(count * perturbation.when).sum(-1) for perturbation in perturbations])
    by_window = np.where(runs_in_window > 0, runs_in_window, np.nan)[None, ..., None]
    divisors = dict.fromkeys(("mean", "square", "intact"), by_time)
    means = {name: values.cpu().numpy() / divisors.get(name, by_window) for name, values in sums.items()}
    return Effects(**means, n_trials=count)


def _no_effects(n_members: int, starts: RunStarts, targets: Targets) -> Effects:
    """Construct the empty effects of no perturbation at all."""
    n_conditions, _, n_bins = starts.weight.shape
    n_targets = targets.units.shape[1] + targets.projections.shape[1]
    by_time = np.zeros((n_members, 0, n_conditions, n_bins, n_targets))
    by_unit = np.zeros((n_members, 0, n_conditions, starts.x.shape[2]))
    by_target = np.zeros((n_members, 0, n_conditions, n_targets))
    return Effects(
        mean=by_time,
        square=by_time,
        intact=by_time,
        unit_mean=by_unit,
        unit_square=by_unit,
        unit_intact=by_unit,
        square_from_first=by_target,
        square_from_truth=by_target,
        expected_square_from_truth=by_target[:1],
        n_trials=starts.weight.sum(1),
    )


def _joined(batches: Sequence[Effects], order: Array) -> Effects:
    """Join the effects of all batches, in the given order of the perturbations."""
    fields = {
        name: np.concatenate([getattr(batch, name) for batch in batches], axis=1)[:, order]
        for name in Effects._fields
        if name != "n_trials"
    }
    return batches[0]._replace(**fields)
