"""Refinement through time: the low-rank network whose free runs come closest to the recorded trajectories.

Where trials are condition averages, or hold no process noise, one-step currents say little about what a network does in
the long run, and a network of full rank may be followed by one of few latents. Here the factors are changed by gradient
descent through the simulated trials (LINT: Valente, Pillow & Ostojic, NeurIPS 2022), from the closed-form solution.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from curbd.estimators.shooting import free_run_error
from curbd.network.equation import Network, device, phi_inverse
from curbd.network.fit import Fit
from curbd.regression.transitions import TrainingData, from_first_bin, transitions
from curbd.settings.models import ReducedRank, Trajectory
from lrfit.estimators.reduced_rank import closed_form
from lrfit.network import canonical

Array = np.ndarray
BATCH = 32
"""Trials in one gradient step, at most."""
EVERY = 25
"""Gradient steps between two looks at the free-run error."""
LONGEST = 0.01
"""Length to which gradients are cut. It is that of all but the last ones: through long trials their length varies by
orders of magnitude, and what they say is their direction."""
SHARE = 0.9
"""Share of what recurrence explains of held-out trials that the effective rank must reach."""

log = logging.getLogger(__name__)


def trajectory(data: TrainingData, options: Trajectory, rng: np.random.Generator) -> Fit:
    """Refine the reduced-rank regression by gradient descent through time.

    Without a given rank it is the effective one, see `effective`. Of all networks on the way, the one with the smallest
    free-run error on the training trials is returned.
    """
    data = from_first_bin(data)
    rank, start = to_refine(data, options, rng)
    network = refine(data, start, rank, options, rng)
    m, n = canonical(network.J, transitions(data).r, rank)
    return Fit(network._replace(J=m @ n.T), factors=(m, n))


def to_refine(data: TrainingData, options: Trajectory, rng: np.random.Generator) -> tuple[int, Network]:
    """The rank of the options and the closed form of that rank, or else the `effective` rank and its network."""
    if options.rank is None:
        return effective(data, options, rng)
    rank = min(options.rank, data.r.shape[2])
    return rank, closed_form(data, ReducedRank(rank=rank, folds=options.folds))[0]


def effective(data: TrainingData, options: Trajectory, rng: np.random.Generator) -> tuple[int, Network]:
    """The smallest rank with which the network, running freely, follows trials that it was not fitted to.

    One trial in ``folds`` is held out. What recurrence explains of them is the gain in free-run error over a network
    without recurrent weights, of the best closed-form network up to ``max_rank`` or the refined one of that rank; the
    effective rank is the first whose refined network reaches `SHARE` of it, at least 1. Every network of full rank has
    an effective rank in this sense.

    Returns
    -------
    The rank, and the network of that rank that was refined on the other trials.
    """
    held_out = np.unique(data.trial, return_inverse=True)[1] % options.folds == 0
    train, test = (_trials(data, chosen) for chosen in (~held_out, held_out))
    if held_out.all():
        # There is but one trial: it has to judge itself.
        train = data
    most = min(options.max_rank, data.r.shape[2])
    starts = [closed_form(train, ReducedRank(rank=rank, folds=options.folds))[0] for rank in range(1, most + 1)]
    none = free_run_error(test, starts[0]._replace(J=np.zeros_like(starts[0].J)))
    richest = refine(train, starts[-1], most, options, rng)
    best = min(free_run_error(test, network) for network in (*starts, richest))
    for rank, start in enumerate(starts, 1):
        network = refine(train, start, rank, options, rng)
        gain = none - free_run_error(test, network)
        log.info("rank %d: %.3f of what recurrence explains", rank, gain / max(none - best, 1e-300))
        if gain >= SHARE * (none - best):
            break
    return rank, network


def _trials(data: TrainingData, chosen: Array) -> TrainingData:
    return data._replace(r=data.r[chosen], u=data.u[chosen], trial=data.trial[chosen])


def refine(
    data: TrainingData,
    start: Network,
    rank: int,
    options: Trajectory,
    rng: np.random.Generator,
    *,
    unrecorded: int = 0,
) -> Network:
    """Gradient descent (Adam) on the factors, the inputs and the bias; trials start from their recorded states.

    Parameters
    ----------
    unrecorded : how many units to add behind the recorded ones. Nothing is asked of their rates. They start with
        random loadings like those of the recorded units and without any effect, n = 0.
    """
    followed = _followed(data, start)
    usable = np.flatnonzero(np.isfinite(data.r[:, 0]).all(1))
    size = np.sqrt(len(start.J))
    left, values, right = np.linalg.svd(start.J)
    # Loadings of order 1 for any number of units, so that one learning rate serves all.
    scale = np.sqrt(values[:rank] * size)
    own = left[:, :rank] * scale, right[:rank].T * scale, np.column_stack([start.B, start.b])
    added = [part.std(0) * rng.standard_normal((unrecorded, part.shape[1])) for part in own]
    added[1][:] = 0
    m, n, W = (_tensor(np.concatenate(both)).requires_grad_() for both in zip(own, added, strict=True))
    adam = torch.optim.Adam([m, n, W], lr=options.learning_rate, betas=(0.9, 0.99))
    decreasing = torch.optim.lr_scheduler.CosineAnnealingLR(adam, options.steps)
    best: tuple[float, Sequence[torch.Tensor]] = (np.inf, (m, n, W))
    for step in range(options.steps + 1):
        if step % EVERY == 0 or step == options.steps:
            with torch.no_grad():
                error = float(_error(m, n / size, W, followed, usable))
            if error < best[0]:
                best = (error, [part.detach().clone() for part in (m, n, W)])
        if step == options.steps:
            break
        loss = _error(m, n / size, W, followed, rng.choice(usable, min(BATCH, len(usable)), replace=False))
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([m, n, W], LONGEST)
        adam.step()
        decreasing.step()
    m_best, n_best, W_best = (part.detach().cpu().numpy().astype(float) for part in best[1])
    return start._replace(J=m_best @ n_best.T / size, B=W_best[:, :-1], b=W_best[:, -1])


class Followed(NamedTuple):
    """Trials to follow, in Euler steps where not said otherwise: what does not change with the weights.

    Attributes
    ----------
    r : (sample, trial, unit) recorded rates, NaN where missing.
    x0 : (trial, unit) states in which the trials start.
    passed : (time, trial, input + 1) inputs, and 1 for the bias, as the units' time constant lets them through.
    settled : (trial, input + 1) inputs, and 1, of the first sample.
    keep : share of its state that a unit keeps in a step.
    substeps : steps a sample.
    """

    r: torch.Tensor
    x0: torch.Tensor
    passed: torch.Tensor
    settled: torch.Tensor
    keep: float
    substeps: int


def _followed(data: TrainingData, network: Network) -> Followed:
    u = np.nan_to_num(data.u).swapaxes(0, 1)
    u = np.concatenate([u, np.ones((*u.shape[:2], 1))], axis=2)
    settled, u = u[0], u[:-1].repeat(data.substeps, axis=0)
    keep = 1 - network.dt_s / (network.substeps * network.tau_s)
    passed = np.zeros((len(u) + 1, *u.shape[1:]))
    for t, now in enumerate(u):
        passed[t + 1] = keep * passed[t] + (1 - keep) * now
    x0 = phi_inverse(np.clip(data.r[:, 0], -1 + 1e-6, 1 - 1e-6))
    return Followed(_tensor(data.r.swapaxes(0, 1)), _tensor(x0), _tensor(passed), _tensor(settled), keep, data.substeps)


def _error(m: torch.Tensor, n: torch.Tensor, W: torch.Tensor, trials: Followed, chosen: Array) -> torch.Tensor:
    """Mean squared error of the rates in free runs of some trials.

    The runs are simulated in the space of the latents, x = m z + W passed + keep^t x0 with
    tau dz/dt = -z + n' r, which is the same network and takes a fraction of the time. Units behind the recorded ones
    start where the latents and inputs put them (see `lrfit.network.positions`).
    """
    recorded = trials.x0.shape[1]
    x0 = trials.x0[chosen]
    if len(m) > recorded:
        settled = trials.settled[chosen] @ W.T
        z0 = (x0 - settled[:, :recorded]) @ torch.linalg.pinv(m[:recorded]).T
        x0 = torch.cat([x0, settled[:, recorded:] + z0 @ m[recorded:].T], dim=1)
    gone = trials.keep ** torch.arange(len(trials.passed), device=W.device)
    outside = trials.passed[:, chosen] @ W.T + gone[:, None, None] * x0
    z = outside.new_zeros(len(chosen), m.shape[1])
    rates = []
    for now in outside:
        r = torch.tanh(torch.addmm(now, z, m.T))
        z = torch.addmm(z, r, (1 - trials.keep) * n, beta=trials.keep)
        rates.append(r[:, :recorded])
    known = trials.r[:, chosen]
    seen = known.isfinite()
    return ((torch.stack(rates[:: trials.substeps]) - known.nan_to_num()) * seen).square().sum() / seen.sum()


def _tensor(values: Array) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device())
