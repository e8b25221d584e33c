"""Simulations of many networks under many perturbations, all at the same time, one time step after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curbd.network.adaptation import RunningAdaptation, adaptation_states
from curbd.network.equation import Network, Starts
from curbd.network.perturbation import Action, Perturbation, silencing
from curbd.network.tensors import tensor

if TYPE_CHECKING:
    import torch

Array = np.ndarray


class NetworkBatch(NamedTuple):
    """Networks that are simulated together (members).

    All have the same units, inputs, nonlinearity and number of Euler steps.

    Currents and noise are in the (dimensionless) units of the state x in tau dx/dt = -x + J r + B u + b + noise.

    Attributes
    ----------
    members : the networks.
    inputs : (member or 1, trial, time, input) inputs u that the networks receive; 1 if all members receive the same
        inputs.
    drive : (trial, time, unit) additional external current that all members receive, or None.
    noise_sd : (member, unit) standard deviation of the noise in each Euler step, or None for networks without noise.
    m : (member, target, rank) left factors m of low-rank networks, J = m n'; None for networks of full rank.
    n : (member, source, rank) right factors n of low-rank networks; None for networks of full rank.
    """

    members: Sequence[Network]
    inputs: Array
    drive: Array | None = None
    noise_sd: Array | None = None
    m: Array | None = None
    n: Array | None = None

    def of_trials(self, trials: Array) -> NetworkBatch:
        """Restrict the inputs and the drive to some trials (trial,), given by index."""
        return self._replace(inputs=self.inputs[:, trials], drive=None if self.drive is None else self.drive[trials])

    def of_members(self, members: slice) -> NetworkBatch:
        """Restrict the batch to some of its networks."""

        def chosen(values: Array | None) -> Array | None:
            return None if values is None else values[members]

        return NetworkBatch(
            members=self.members[members],
            inputs=self.inputs if len(self.inputs) == 1 else self.inputs[members],
            drive=self.drive,
            noise_sd=chosen(self.noise_sd),
            m=chosen(self.m),
            n=chosen(self.n),
        )

    def first(self, count: int) -> NetworkBatch:
        """Restrict the batch to its first ``count`` networks."""
        return self.of_members(slice(count))

    @property
    def single(self) -> bool:
        """Whether the networks are simulated in single precision."""
        return self.members[0].simulated_in_single_precision(self.inputs.shape[2])

    def tensor(self, array: Array) -> torch.Tensor:
        """Return an array as a tensor in the precision in which the networks are simulated."""
        return tensor(array, single=self.single)


def onset(perturbations: Sequence[Perturbation]) -> int:
    """Return the index of the first bin in which any of the given perturbations acts."""
    return int(np.any([perturbation.when for perturbation in perturbations], axis=0).argmax())


def rates(
    networks: NetworkBatch, perturbations: Sequence[Perturbation], before: Array, rng: np.random.Generator | None = None
) -> Iterator[torch.Tensor]:
    """Simulate every network intact and under every perturbation, bin by bin from the onset of the perturbations.

    Every simulation is a run of tau dx/dt = -x + J r + B u + b + noise. The share a of a perturbation is its strength
    inside its time window and 0 outside. The rate of a held unit is r = (1 - a) phi(x) + a level, where the level of
    a unit that follows the intact run counts from its rate in that run. The rate of a unit with a gain is
    r = (1 - a (1 - gain)) phi(x), and the rate of any other unit is r = phi(x). Cut weights and removed inputs are
    reduced by the share a. All runs start from the same states and receive the same noise.

    Parameters
    ----------
    networks : the networks, with the inputs of the trials of ``before``.
    perturbations : the perturbations, one per run; run 0 is an additional run without a perturbation.
    before : (trial, time, unit) states x, dimensionless, up to the first bin in which any perturbation acts (see
        `onset`). Runs start from the last of them; only the adaptation of units depends on the states before.
    rng : random generator of the noise; None for runs without noise.

    Yields
    ------
    (member, run, trial, unit) rates in one bin, in single precision for large networks
    (`Network.simulated_in_single_precision`). Run 0 is the intact network, run k is under perturbation k - 1. The next
    bin overwrites the memory of a yielded tensor.
    """
    import torch

    actions = [perturbation.action for perturbation in perturbations]
    first = networks.members[0]
    phi = first.nonlinearity.phi_of_tensor
    in_precision = networks.tensor
    step = in_precision(np.stack([np.atleast_1d(network.euler_step) for network in networks.members]))[:, None]
    kept = (1 - step)[:, None]
    noise_sd = None if networks.noise_sd is None or rng is None else in_precision(networks.noise_sd)[:, None]
    external = _External.of(networks, actions)
    on_rates = _OnRates.of(networks, actions)
    weights = _Weights.of(networks, actions)
    n_bins = networks.inputs.shape[2]
    # (run, time) share a of the way to the full action; nothing is done in run 0.
    shares = np.concatenate([np.zeros((1, n_bins)), *(entry.strength * entry.when[None] for entry in perturbations)])
    x0 = before[:, -1]
    x = in_precision(x0).expand(len(networks.members), len(shares), *x0.shape).clone()
    r = torch.empty_like(x)
    adaptation = _adaptation(networks, before)
    for t in range(first_bin := onset(perturbations), n_bins):
        a = in_precision(shares[:, t]) if shares[:, t].any() else None
        phi(x, out=r)
        if a is not None:
            on_rates(r, a)
        yield r
        if t == n_bins - 1:
            return
        current = external.at(t, a)
        if adaptation is not None:
            current = current + adaptation.current_and_next(r)
        current = step[:, None] * current
        if t == first_bin or (shares[:, t] != shares[:, t - 1]).any():
            J_t = weights.at(in_precision(shares[:, t]), step)
        for substep in range(first.substeps):
            if substep:
                phi(x, out=r)
                if a is not None:
                    on_rates(r, a)
            _add_sent(x.mul_(kept), r, J_t).add_(current)
            if noise_sd is not None and rng is not None:
                x += (noise_sd * in_precision(rng.standard_normal(x0.shape)))[:, None]


def perturbed_free_runs(network: Network, r: Array, inputs: Array, actions: Sequence[Action]) -> Array:
    """Simulate a network from the first complete bin of every trial: once intact, and once under each action.

    Parameters
    ----------
    network : the network that is simulated.
    r : (trial, time, unit) recorded rates, NaN where missing; simulations start from the recorded states.
    inputs : (trial, time, input) inputs u.
    actions : perturbations, one per additional run, each applied at full strength throughout the trial.

    Returns
    -------
    (1 + action, trial, time, unit) simulated rates, the unperturbed run first; NaN before the first complete bin of a
    trial.
    """
    import torch

    starts = Starts.of(r)
    always = np.ones(r.shape[1], dtype=bool)
    perturbations = [Perturbation.whole_run(action, always) for action in actions]
    networks = NetworkBatch([network], starts.moved_ahead(inputs)[None])
    x0 = starts.states(r, network.nonlinearity)[:, None]
    runs = [sample[0].clone() for sample in rates(networks, perturbations, x0)]
    return starts.moved_back(torch.stack(runs, dim=2).double().cpu().numpy())


def silenced_run(network: Network, r: Array, inputs: Array, units: Array, level: float = 0.0) -> Array:
    """Simulate a network from the first complete bin of every trial while the rates of some units are held.

    Parameters
    ----------
    network : the network that is simulated.
    r : (trial, time, unit) recorded rates, NaN where missing; the simulation starts from the recorded states.
    inputs : (trial, time, input) inputs u.
    units : (unit,) bool, True for the units that are held.
    level : scaled rate at which these units are held.

    Returns
    -------
    (trial, time, unit) simulated rates, NaN before the first complete bin of a trial.
    """
    return perturbed_free_runs(network, r, inputs, [silencing(units, level, inputs.shape[2])])[1]


def _adaptation(networks: NetworkBatch, before: Array) -> RunningAdaptation | None:
    """Return the adaptation (member, 1, trial, unit) of networks after recorded states; None if no units adapt."""
    members = networks.members
    adapting = [network.adaptation for network in members if network.adaptation is not None]
    if not adapting:
        return None
    dt_s, r = members[0].dt_s, members[0].nonlinearity.phi(before)
    states = np.stack([adaptation_states(adaptation, r, dt_s)[:, -1] for adaptation in adapting])
    return RunningAdaptation(adapting, dt_s, networks.tensor(states)[:, None])


def _stacked(networks: NetworkBatch, values: Sequence[Array]) -> torch.Tensor:
    """Stack the values of the perturbations (run, ...), after a run of zeros for the intact network."""
    return networks.tensor(np.stack([np.zeros_like(values[0], dtype=float), *values]))


class _External(NamedTuple):
    """Current from outside the network, b + B u + drive, with what the actions change of it.

    Attributes
    ----------
    B_t : (member, input, unit) transposed weights on the inputs.
    b : (member, 1, unit) bias.
    u : (member or 1, trial, time, input) inputs.
    drive : (trial, time, unit) additional current, or None.
    added : (run, unit) current that is added at full strength, or None if no action adds current.
    removed : (run, input) 1 for an input that is removed at full strength, else 0; None if no input is removed.
    """

    B_t: torch.Tensor
    b: torch.Tensor
    u: torch.Tensor
    drive: torch.Tensor | None
    added: torch.Tensor | None
    removed: torch.Tensor | None

    @classmethod
    def of(cls, networks: NetworkBatch, actions: Sequence[Action]) -> _External:
        """Collect the external current of some networks, and the changes that the actions make to this current."""
        added = _stacked(networks, [action.current for action in actions])
        removed = _stacked(networks, [action.inputs.astype(float) for action in actions])
        return cls(
            B_t=networks.tensor(np.stack([network.B.T for network in networks.members])),
            b=networks.tensor(np.stack([network.b for network in networks.members]))[:, None],
            u=networks.tensor(networks.inputs),
            drive=None if networks.drive is None else networks.tensor(networks.drive),
            added=added if bool(added.any()) else None,
            removed=removed if bool(removed.any()) else None,
        )

    def at(self, t: int, a: torch.Tensor | None) -> torch.Tensor:
        """Return the current (member, run or 1, trial, unit) in bin t, for shares a (run,) of the actions or None."""
        current = (self.b + self.u[:, :, t] @ self.B_t)[:, None]
        if self.drive is not None:
            current = current + self.drive[:, t]
        if a is not None and self.removed is not None:
            lost = self.u[:, None, :, t] * (a[:, None] * self.removed)[:, None]
            current = current - lost @ self.B_t[:, None]
        if a is not None and self.added is not None:
            current = current + (a[:, None] * self.added)[:, None]
        return current


class _OnRates(NamedTuple):
    """The change r -> (1 - a lost) r + a level of the rates.

    Attributes
    ----------
    lost : (run, unit) share of r that is lost at full strength: 1 for held units, 1 - gain for scaled units.
    level : (run, unit) rate at which held units are held.
    any_level : whether any level differs from 0.
    follows : (run, unit) 1 for held units whose level counts from their rate in the intact run; None if there are none.
    """

    lost: torch.Tensor
    level: torch.Tensor
    any_level: bool
    follows: torch.Tensor | None

    @classmethod
    def of(cls, networks: NetworkBatch, actions: Sequence[Action]) -> _OnRates:
        """Collect the changes that some actions make to the rates, after a first run without any change."""
        follows = _stacked(networks, [action.follows for action in actions])
        return cls(
            lost=_stacked(networks, [np.where(action.held, 1.0, 1 - action.gain) for action in actions]),
            level=_stacked(networks, [action.level for action in actions]),
            any_level=any(action.level.any() for action in actions),
            follows=follows if bool(follows.any()) else None,
        )

    def __call__(self, r: torch.Tensor, a: torch.Tensor) -> None:
        """Change the rates r (member, run, trial, unit) in place, for shares a (run,) of the actions; 0 for run 0."""
        r.mul_((1 - a[:, None] * self.lost)[:, None])
        if self.any_level:
            r.add_((a[:, None] * self.level)[:, None])
        if self.follows is not None:
            r.add_((a[:, None] * self.follows)[:, None] * r[:, :1])


class _Weights(NamedTuple):
    """The weights between units, and the weights that the perturbations cut.

    Attributes
    ----------
    J_t : (member, source, target) transposed weights.
    cut : (member, run, source, target) transposed weights that are lost at full strength, or None if none are cut.
    """

    J_t: torch.Tensor
    cut: torch.Tensor | None

    @classmethod
    def of(cls, networks: NetworkBatch, actions: Sequence[Action]) -> _Weights:
        """Collect the weights of some networks, and the weights that the actions cut."""
        J = np.stack([network.J for network in networks.members])
        if not any(action.cuts or action.latents for action in actions):
            return cls(networks.tensor(J.swapaxes(1, 2)), None)
        cut = np.zeros((len(J), 1 + len(actions), *J.shape[1:]))
        for run, action in enumerate(actions, start=1):
            cut[:, run] = _cut(J, action, networks)
        return cls(networks.tensor(J.swapaxes(1, 2)), networks.tensor(cut.swapaxes(2, 3)))

    def at(self, a: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """Return the weights for shares a (run,) of the cuts, times the Euler step (member, 1, 1 or unit)."""
        if self.cut is None:
            return step * self.J_t
        return step[:, None] * (self.J_t[:, None] - a[:, None, None] * self.cut)


def _cut(J: Array, action: Action, networks: NetworkBatch) -> Array:
    """Return the weights (member, target, source) that an action removes at full strength."""
    remaining = J
    if action.latents and networks.m is not None and networks.n is not None:
        removed = list(action.latents)
        remaining = remaining - networks.m[..., removed] @ networks.n[..., removed].swapaxes(1, 2)
    for cut in action.cuts:
        chosen = np.outer(cut.targets, cut.sources) & ((J * cut.sign > 0) | (cut.sign == 0))
        remaining = np.where(chosen, 0.0, remaining)
    return J - remaining


def _add_sent(x: torch.Tensor, r: torch.Tensor, J_t: torch.Tensor) -> torch.Tensor:
    """Add J r to x (member, run, trial, unit) in place, for weights of each member, or of each member and run."""
    members, runs, trials, units = x.shape
    rows = (members * runs, trials, units) if J_t.dim() == 4 else (members, runs * trials, units)
    x.view(rows).baddbmm_(r.view(rows), J_t.view(-1, units, units))
    return x
