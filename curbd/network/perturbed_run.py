"""Many perturbed runs of many networks side by side, one time step after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.equation import Network, Starts
from curbd.network.perturbation import Action, Perturbation, silencing
from curbd.network.tensors import tensor

Array = np.ndarray


class Networks(NamedTuple):
    """Networks that run side by side, with the same units, inputs and number of Euler steps.

    Attributes
    ----------
    members : the networks.
    inputs : (member or 1, trial, time, input) what they receive.
    drive : (trial, time, unit) further external current, or None.
    noise_sd : (member, unit) standard deviation of the noise in each Euler step, or None.
    m, n : (member, target, rank), (member, source, rank) factors of low-rank networks, or None.
    """

    members: Sequence[Network]
    inputs: Array
    drive: Array | None = None
    noise_sd: Array | None = None
    m: Array | None = None
    n: Array | None = None

    def of_trials(self, trials: Array) -> Networks:
        """The same networks in some trials, by number."""
        return self._replace(inputs=self.inputs[:, trials], drive=None if self.drive is None else self.drive[trials])

    def first(self, number: int) -> Networks:
        """The first networks only."""

        def few(values: Array | None) -> Array | None:
            return None if values is None else values[:number]

        return Networks(
            self.members[:number],
            self.inputs[:number],
            self.drive,
            few(self.noise_sd),
            few(self.m),
            few(self.n),
        )


def onset(plan: Sequence[Perturbation]) -> int:
    """Number of the first sample at which anything is done."""
    return int(np.any([one.when for one in plan], axis=0).argmax())


def rates(
    networks: Networks, plan: Sequence[Perturbation], x0: Array, rng: np.random.Generator | None = None
) -> Iterator[torch.Tensor]:
    """Rates (member, run, trial, unit) from `onset` on; run 0 is the intact network, run k the perturbation k - 1.

    The next sample takes the place of the last one in memory.

    tau dx/dt = -x + J r + B u + b + noise with r = (1 - a held) gain tanh(x) + a held level, a = strength inside the
    window and 0 outside; cut weights and inputs are reduced by the same share. All runs start from the same states and
    meet the same noise.

    Parameters
    ----------
    x0 : (trial, unit) states at the onset of the plan.
    rng : of the noise, where the networks have any.
    """
    first = networks.members[0]
    B_t = tensor(np.stack([one.B.T for one in networks.members]))
    b = tensor(np.stack([one.b for one in networks.members]))[:, None]
    tau_s = tensor(np.array([one.tau_s for one in networks.members]))[:, None, None]
    step = first.dt_s / (first.substeps * tau_s)
    kept = (1 - step)[:, None]
    u = tensor(networks.inputs)
    drive = None if networks.drive is None else tensor(networks.drive)
    noise_sd = None if networks.noise_sd is None or rng is None else tensor(networks.noise_sd)[:, None]
    actions = [one.action for one in plan]
    # (run, time) share of the way to the full action; nothing is done in run 0.
    amount = np.concatenate([np.zeros((1, u.shape[2])), *(one.strength * one.when[None] for one in plan)])
    on_rates = _OnRates.of(actions)
    current = _stacked([one.current for one in actions])
    lost_inputs = _stacked([one.inputs.astype(float) for one in actions])
    weights = _Weights.of(networks, actions)
    x = tensor(x0).expand(len(networks.members), 1 + len(plan), *x0.shape).clone()
    r = torch.empty_like(x)
    for t in range(first_sample := onset(plan), u.shape[2]):
        a = tensor(amount[:, t])
        active = bool(amount[:, t].any())
        torch.tanh(x, out=r)
        if active:
            on_rates(r, a)
        yield r
        if t == u.shape[2] - 1:
            return
        external = (b + u[:, :, t] @ B_t)[:, None]
        if drive is not None:
            external = external + drive[:, t]
        if active and bool(lost_inputs.any()):
            lost = u[:, None, :, t] * (a[:, None] * lost_inputs)[:, None]
            external = external - lost @ B_t[:, None]
        if active and bool(current.any()):
            external = external + (a[:, None] * current)[:, None]
        external = step[:, None] * external
        if t == first_sample or (amount[:, t] != amount[:, t - 1]).any():
            J_t = weights.at(a, step)
        for substep in range(first.substeps):
            if substep:
                torch.tanh(x, out=r)
                if active:
                    on_rates(r, a)
            _add_sent(x.mul_(kept), r, J_t).add_(external)
            if noise_sd is not None and rng is not None:
                x += (noise_sd * tensor(rng.standard_normal(x0.shape)))[:, None]


def perturbed_free_runs(network: Network, r: Array, inputs: Array, actions: Sequence[Action]) -> Array:
    """Free runs from the first complete bin of every trial, intact and with something done over the whole run.

    Parameters
    ----------
    network : the network.
    r : (trial, time, unit) recorded rates, NaN where missing.
    inputs : (trial, time, input) known inputs.
    actions : what is done, in full strength, in each run but the first.

    Returns
    -------
    (1 + action, trial, time, unit) rates, the intact run first; NaN before the start of a trial.
    """
    starts = Starts.of(r)
    always = np.ones(r.shape[1], dtype=bool)
    perturbations = [Perturbation.whole_run(action, always) for action in actions]
    networks = Networks([network], starts.moved_ahead(inputs)[None])
    runs = [sample[0].clone() for sample in rates(networks, perturbations, starts.states(r))]
    return starts.moved_back(torch.stack(runs, dim=2).cpu().numpy())


def silenced_run(network: Network, r: Array, inputs: Array, units: Array, level: float = 0.0) -> Array:
    """Free run from the first complete bin of every trial, the rates of some units held.

    Parameters
    ----------
    network : the network.
    r : (trial, time, unit) recorded rates, NaN where missing.
    inputs : (trial, time, input) known inputs.
    units : (unit,) bool, the units that are held.
    level : scaled rate at which they are held.

    Returns
    -------
    (trial, time, unit) rates, NaN before the start of a trial.
    """
    return perturbed_free_runs(network, r, inputs, [silencing(units, level, inputs.shape[2])])[1]


def _stacked(values: Sequence[Array]) -> torch.Tensor:
    """(run, ...) of the perturbations, after a run of zeros for the intact network."""
    return tensor(np.stack([np.zeros_like(values[0], dtype=float), *values]))


class _OnRates(NamedTuple):
    """r -> (1 - a lost) r + a level, lost and level (run, unit): held units lose all of r, scaled ones 1 - gain."""

    lost: torch.Tensor
    level: torch.Tensor
    levels: bool

    @classmethod
    def of(cls, actions: Sequence[Action]) -> _OnRates:
        return cls(
            _stacked([np.where(one.held, 1.0, 1 - one.gain) for one in actions]),
            _stacked([one.level for one in actions]),
            any(one.level.any() for one in actions),
        )

    def __call__(self, r: torch.Tensor, a: torch.Tensor) -> None:
        """Change the rates (member, run, trial, unit) in place."""
        r.mul_((1 - a[:, None] * self.lost)[:, None])
        if self.levels:
            r.add_((a[:, None] * self.level)[:, None])


class _Weights(NamedTuple):
    """J' (member, source, target) and what the perturbations cut of it (member, run, source, target), or None."""

    J_t: torch.Tensor
    cut: torch.Tensor | None

    @classmethod
    def of(cls, networks: Networks, actions: Sequence[Action]) -> _Weights:
        J = np.stack([one.J for one in networks.members])
        if not any(one.cuts or one.latents for one in actions):
            return cls(tensor(J.swapaxes(1, 2)), None)
        cut = np.zeros((len(J), 1 + len(actions), *J.shape[1:]))
        for run, action in enumerate(actions, start=1):
            cut[:, run] = _cut(J, action, networks)
        return cls(tensor(J.swapaxes(1, 2)), tensor(cut.swapaxes(2, 3)))

    def at(self, a: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """The weights when shares a (run,) of the cuts are made, times the Euler step (member, 1, 1)."""
        if self.cut is None:
            return step * self.J_t
        return step[:, None] * (self.J_t[:, None] - a[:, None, None] * self.cut)


def _cut(J: Array, action: Action, networks: Networks) -> Array:
    """(member, target, source) weights that an action takes away at full strength."""
    left = J
    if action.latents and networks.m is not None and networks.n is not None:
        taken = list(action.latents)
        left = left - networks.m[..., taken] @ networks.n[..., taken].swapaxes(1, 2)
    for cut in action.cuts:
        chosen = np.outer(cut.targets, cut.sources) & ((J * cut.sign > 0) | (cut.sign == 0))
        left = np.where(chosen, 0.0, left)
    return J - left


def _add_sent(x: torch.Tensor, r: torch.Tensor, J_t: torch.Tensor) -> torch.Tensor:
    """Add J r to x (member, run, trial, unit) in place, for weights of each member, or of each member and run."""
    members, runs, trials, units = x.shape
    rows = (members * runs, trials, units) if J_t.dim() == 4 else (members, runs * trials, units)
    x.view(rows).baddbmm_(r.view(rows), J_t.view(-1, units, units))
    return x
