"""Effects of perturbations: perturbed minus intact rates, averaged over trials while the networks are simulated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curbd.network.perturbation import Perturbation
from curbd.network.perturbed_run import NetworkBatch, onset, rates
from curbd.network.tensors import device, tensor

if TYPE_CHECKING:
    import torch

Array = np.ndarray
MAX_STATES = {"cpu": 2**20, "cuda": 2**25}
"""Type of device -> number of states (member, run, trial, unit) that are held in memory at once, in each of a few
arrays of this size."""
WEIGHTS_PER_STATE = 8
"""Number of weights of all networks for every state that is held in memory, if that allows more states."""
STATES_OF_PART = 1 << 18
"""Number of states of the networks that take a bin together, which stay in the cache of a processor."""
PERTURBATIONS_OF_A_BATCH = 8
"""Trials are simulated in chunks if this many perturbations of all trials together would exceed the memory limit."""


class RunStarts(NamedTuple):
    """The trials of a recording: the states from which simulations start, and the bins in which effects are averaged.

    Attributes
    ----------
    x : (trial, time, unit) recorded states x (dimensionless) in tau dx/dt = -x + ... A missing state is replaced by the
        last observed state before it.
    weight : (condition, trial, time) 1 in the observed bins of the trials of a condition, else 0.
    """

    x: Array
    weight: Array

    def of_trials(self, trials: Array) -> RunStarts:
        """Select trials (trial,), given by index."""
        return RunStarts(self.x[trials], self.weight[:, trials])


class Simulation(NamedTuple):
    """The simulations behind all effects: networks that start from recorded states, with or without noise.

    Attributes
    ----------
    fits : the fitted networks.
    starts : the states from which all simulations start.
    truth : the network behind a teacher recording, which is simulated without noise, or None.
    noise_draws : number of draws of the noise per trial; 0 for simulations without noise.
    seed : seed for the noise.
    max_states : number of states (member, run, trial, unit) that are held in memory at once; None for `MAX_STATES`.
    """

    fits: NetworkBatch
    starts: RunStarts
    truth: NetworkBatch | None = None
    noise_draws: int = 0
    seed: int = 0
    max_states: int | None = None

    @property
    def state_limit(self) -> int:
        """Number of states that are held in memory at once; in large networks weights take more memory than states."""
        n_units = self.starts.x.shape[2]
        of_weights = len(self.fits.members) * n_units**2 // WEIGHTS_PER_STATE
        return max(MAX_STATES[device().type], of_weights) if self.max_states is None else self.max_states

    @property
    def draws(self) -> int:
        """Number of simulations of every trial with different noise; 1 without noise."""
        return max(self.noise_draws, 1)

    def of_trials(self, trials: Array) -> Simulation:
        """Select the simulations of some trials (trial,), given by index."""
        return self._replace(
            fits=self.fits.of_trials(trials),
            starts=self.starts.of_trials(trials),
            truth=None if self.truth is None else self.truth.of_trials(trials),
        )


class Targets(NamedTuple):
    """The targets of effects: groups of units whose mean rate is compared, and weighted sums of rates.

    Attributes
    ----------
    units : (perturbation, target, unit) 1 for the units of a target, over which effects are averaged, else 0.
    projections : (member, projection, unit) weights of additional targets (latents and readouts), which are weighted
        sums over all units.
    """

    units: Array
    projections: Array


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
    compared = _Compared.of(len(members), n_fits, compare)
    count = starts.weight.sum(1) * simulation.draws
    of_fits: list[Effects] = []
    of_truth: list[Effects] = []
    order: list[Array] = []
    for indices, trials_at_once in _batches(simulation, perturbations):
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


def _batches(simulation: Simulation, perturbations: Sequence[Perturbation]) -> Iterator[tuple[Array, int]]:
    """Yield indices of perturbations that are simulated together, and the number of trials that are simulated at once.

    Perturbations of one onset start together. Perturbations that cut weights are kept apart, as each has its own
    weights, which take memory.
    """
    n_trials, _, n_units = simulation.starts.x.shape
    limit = simulation.state_limit
    n_networks = len(simulation.fits.members) + (simulation.truth is not None)
    onsets = np.array([onset([perturbation]) for perturbation in perturbations])
    cuts_weights = np.array([bool(entry.action.cuts or entry.action.latents) for entry in perturbations])
    for first_bin in np.unique(onsets):
        for rows_of_weights, chosen in ((0, ~cuts_weights), (n_units, cuts_weights)):
            group = np.flatnonzero((onsets == first_bin) & chosen)
            if not len(group):
                continue
            runs_of_trial = simulation.draws * (1 + min(len(group), PERTURBATIONS_OF_A_BATCH))
            at_once = max(1, min(n_trials, limit // (n_networks * n_units * runs_of_trial)))
            runs = max(1, limit // (n_networks * n_units * max(at_once * simulation.draws, rows_of_weights)) - 1)
            for start in range(0, len(group), runs):
                yield group[start : start + runs], at_once


class _Compared(NamedTuple):
    """Which members are compared with what.

    Attributes
    ----------
    with_first : index of the first member that is compared with member 0; all later members are compared as well.
    with_truth : number of members, the fits, that are compared with the true network; the fits come first.
    """

    with_first: int
    with_truth: int

    @classmethod
    def of(cls, n_members: int, n_fits: int | None, compare: bool) -> _Compared:
        """Derive the comparisons from the number of members and from the parameters of `effects`."""
        n_fits = n_members if n_fits is None else n_fits
        first_drawn = n_fits if n_fits < n_members else 1
        return cls(first_drawn if compare else n_members, n_fits)


class _Reading(NamedTuple):
    """The weights by which effects on targets are computed from rates.

    Attributes
    ----------
    units : (perturbation, target, unit) weights that average over the units of a target.
    projections : (member, projection, unit) weights of latents and readouts.
    weight : (condition, trial, time) 1 in the observed bins of the trials of a condition.
    inside : (perturbation, time) 1 inside the window of a perturbation.
    """

    units: torch.Tensor
    projections: torch.Tensor
    weight: torch.Tensor
    inside: torch.Tensor

    @classmethod
    def of(cls, starts: RunStarts, perturbations: Sequence[Perturbation], targets: Targets) -> _Reading:
        """Collect the weights for the effects of some perturbations."""
        units = tensor(targets.units)
        return cls(
            units=units / units.sum(-1, keepdim=True).clamp_min(1),
            projections=tensor(targets.projections),
            weight=tensor(starts.weight),
            inside=tensor(np.stack([entry.when for entry in perturbations]).astype(float)),
        )

    def of_members(self, members: slice) -> _Reading:
        """Restrict the weights of projections to a subset of the networks (members)."""
        return self._replace(projections=self.projections[members])

    def over_trials(self, values: torch.Tensor, t: int) -> torch.Tensor:
        """Sum values (member, run, trial, unit) of bin t over the trials of each condition, in double precision."""
        return (self.weight[:, :, t].to(values.dtype) @ values).double()

    def of_targets(self, values: torch.Tensor) -> torch.Tensor:
        """Average values (member, run, condition, unit) over the units of each target, and append the projections."""
        import torch

        values = values.expand(-1, len(self.units), -1, -1)
        averaged = torch.einsum("mpcn,pqn->mpcq", values, self.units)
        projected = torch.einsum("mpcn,mqn->mpcq", values, self.projections)
        return torch.cat([averaged, projected], dim=-1)

    def squares(self, effect: torch.Tensor, square: torch.Tensor, t: int) -> torch.Tensor:
        """Sum the squares of an effect in bin t over trials, for each target.

        Parameters
        ----------
        effect : (member, perturbation, trial, unit) effects, which are projected in every trial and then squared.
        square : (member, perturbation, condition, unit) squared effects, already summed over trials.
        t : index of the bin.

        Returns
        -------
        (member, perturbation, condition, target) sums of squares.
        """
        import torch

        averaged = torch.einsum("mpcn,pqn->mpcq", square, self.units)
        if not self.projections.shape[1]:
            return averaged
        projected = effect @ self.projections.to(effect.dtype).mT[:, None]
        return torch.cat([averaged, self.over_trials(projected * projected, t)], dim=-1)


class _Sums:
    """Sums over trials of the fields of `Effects`; fields about the time window are also summed over its bins.

    Parameters
    ----------
    n_members : number of networks.
    reading : weights by which effects on targets are computed from rates.
    recorded : (bin before the onset, condition, unit) recorded rates, summed over trials; they are the intact run
        before the onset.
    """

    def __init__(self, n_members: int, reading: _Reading, recorded: torch.Tensor) -> None:
        n_conditions, _, n_bins = reading.weight.shape
        n_perturbations, n_region_targets, n_units = reading.units.shape
        n_targets = n_region_targets + reading.projections.shape[1]

        def zeros(members: int, *shape: int) -> torch.Tensor:
            return reading.units.new_zeros((members, n_perturbations, n_conditions, *shape))

        self.reading = reading
        self.fields = {name: zeros(n_members, n_bins, n_targets) for name in ("mean", "square", "intact")}
        self.fields |= {name: zeros(n_members, n_units) for name in ("unit_mean", "unit_square", "unit_intact")}
        self.fields |= {name: zeros(n_members, n_targets) for name in ("square_from_first", "square_from_truth")}
        self.fields["expected_square_from_truth"] = zeros(1, n_targets)
        for t, rates_before in enumerate(recorded):
            self.fields["intact"][..., t, :] = reading.of_targets(rates_before.expand(n_members, 1, -1, -1))

    def add(self, r: torch.Tensor, members: slice, t: int) -> torch.Tensor:
        """Add the rates of some networks in one bin.

        Parameters
        ----------
        r : (member, run, trial, unit) rates of the members, the intact run first.
        members : the members.
        t : index of the bin.

        Returns
        -------
        (member, perturbation, trial, unit) effects.
        """
        reading = self.reading.of_members(members)
        fields = {name: values[members] for name, values in self.fields.items()}
        inside = reading.inside[:, t, None, None]
        effect = r[:, 1:] - r[:, :1]
        intact, mean = reading.over_trials(r[:, :1], t), reading.over_trials(effect, t)
        square = reading.over_trials(effect.square(), t)
        fields["intact"][..., t, :] += reading.of_targets(intact)
        fields["mean"][..., t, :] += reading.of_targets(mean)
        fields["square"][..., t, :] += reading.squares(effect, square, t)
        fields["unit_intact"].add_(inside * intact)
        fields["unit_mean"].add_(inside * mean)
        fields["unit_square"].add_(inside * square)
        return effect

    def miss(self, name: str, members: slice, difference: torch.Tensor, t: int) -> None:
        """Add the squares of a difference between effects in bin t.

        Parameters
        ----------
        name : field with the sums of squares.
        members : the members whose effects are compared; the differences are projected on the latents of these members.
        difference : (member, perturbation, trial, unit) difference between the effects in these members and another
            effect; none if no effects are compared.
        t : index of the bin.
        """
        if len(difference):
            reading = self.reading.of_members(members)
            squares = reading.squares(difference, reading.over_trials(difference.square(), t), t)
            self.fields[name][members] += reading.inside[:, t, None, None] * squares


def _summed(
    simulation: Simulation,
    perturbations: Sequence[Perturbation],
    targets: Targets,
    compared: _Compared,
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
    of_fits: list[_Sums] = []
    of_truth: list[_Sums] = []
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
    compared: _Compared,
    noise_seed: Sequence[int] | None,
) -> tuple[_Sums, _Sums | None]:
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
    reading = _Reading.of(starts, perturbations, targets)
    begin, phi = onset(perturbations), fits.members[0].nonlinearity.phi
    recorded = tensor(np.einsum("kit,itu->tku", starts.weight[:, :, :begin], phi(starts.x[:, :begin])))
    sums = _Sums(len(fits.members), reading, recorded)
    true_sums = None if truth is None else _Sums(1, reading.of_members(slice(1)), recorded)
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
        comparison = _Comparison(sums, compared, true_effect, t)
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


class _Comparison:
    """The squared differences between effects in one bin.

    Parameters
    ----------
    sums : the sums, which are changed in place.
    compared : which members are compared with what.
    true_effect : (1, perturbation, trial, unit) effects in the true network, or None.
    t : index of the bin.
    """

    def __init__(self, sums: _Sums, compared: _Compared, true_effect: torch.Tensor | None, t: int) -> None:
        self.sums, self.compared, self.true_effect, self.t = sums, compared, true_effect, t
        self.first: torch.Tensor | None = None
        self.drawn: torch.Tensor | None = None
        self.n_drawn = 0

    def add(self, effect: torch.Tensor, members: slice) -> None:
        """Compare the effects (member, perturbation, trial, unit) in some members; the first members come first."""
        if self.first is None:
            self.first = effect[:1]
        later, drawn = (_from(first, members) for first in (self.compared.with_first, self.compared.with_truth))
        begin = members.start
        self.sums.miss("square_from_first", later, effect[later.start - begin :] - self.first, self.t)
        if self.true_effect is not None:
            fits = slice(begin, drawn.start)
            self.sums.miss("square_from_truth", fits, effect[: drawn.start - begin] - self.true_effect, self.t)
            total = effect[drawn.start - begin :].sum(0, keepdim=True)
            self.drawn = total if self.drawn is None else self.drawn + total
            self.n_drawn += drawn.stop - drawn.start

    def end(self) -> None:
        """Compare the mean effect over the drawn networks with the true effect."""
        if self.drawn is not None and self.true_effect is not None and self.n_drawn:
            expected = self.drawn / self.n_drawn
            self.sums.miss("expected_square_from_truth", slice(1), expected - self.true_effect, self.t)


def _from(first: int, members: slice) -> slice:
    """Restrict a range of members to those from an index on."""
    return slice(min(max(first, members.start), members.stop), members.stop)


def _added(chunks: Sequence[_Sums]) -> dict[str, torch.Tensor]:
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
