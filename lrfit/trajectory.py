"""Refinement through time: the low-rank network whose free runs come closest to the recorded trajectories.

Where trials are condition averages, or hold no process noise, one-step currents say little about what a network does in
the long run, and a network of full rank may be followed by one of few latents. Here the factors are changed by gradient
descent through the simulated trials (LINT: Valente, Pillow & Ostojic, NeurIPS 2022), from the closed-form solution.
"""

from __future__ import annotations

import logging

import numpy as np
import torch

from curbd.config import ReducedRank, Trajectory
from curbd.ensemble import Fit
from curbd.estimators.shooting import free_run_error
from curbd.estimators.transitions import TrainingData, from_first_bin, transitions
from curbd.network import Network, device
from lrfit.geometry import canonical
from lrfit.reduced_rank import closed_form

Array = np.ndarray
BATCH = 32
"""Trials in one gradient step, at most."""
EVERY = 25
"""Gradient steps between two looks at the free-run error."""
SHARE = 0.9
"""Share of what recurrence explains of held-out trials that the effective rank must reach."""

log = logging.getLogger(__name__)


def trajectory(data: TrainingData, options: Trajectory, rng: np.random.Generator) -> Fit:
    """Refine the reduced-rank regression by gradient descent through time.

    Without a given rank it is the effective one, see `effective`. Of all networks on the way, the one with the smallest
    free-run error on the training trials is returned.
    """
    data = from_first_bin(data)
    if options.rank is None:
        rank, start = effective(data, options, rng)
    else:
        rank = min(options.rank, data.r.shape[2])
        start = closed_form(data, ReducedRank(rank=rank, folds=options.folds))[0]
    network = refine(data, start, rank, options, rng)
    m, n = canonical(network.J, transitions(data).r, rank)
    return Fit(network._replace(J=m @ n.T), factors=(m, n))


def effective(data: TrainingData, options: Trajectory, rng: np.random.Generator) -> tuple[int, Network]:
    """The smallest rank with which the network, running freely, follows trials that it was not fitted to.

    One trial in ``folds`` is held out. What recurrence explains of them is the gain in free-run error of the best
    closed-form network up to ``max_rank`` over one without recurrent weights; the effective rank is the first whose
    refined network reaches `SHARE` of it, at least 1. Every network of full rank has an effective rank in this sense.

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
    best = min(free_run_error(test, start) for start in starts)
    for rank, start in enumerate(starts, 1):
        network = refine(train, start, rank, options, rng)
        gain = none - free_run_error(test, network)
        log.info("rank %d: %.3f of what recurrence explains", rank, gain / max(none - best, 1e-300))
        if gain >= SHARE * (none - best):
            break
    return rank, network


def _trials(data: TrainingData, chosen: Array) -> TrainingData:
    return data._replace(r=data.r[chosen], u=data.u[chosen], trial=data.trial[chosen])


def refine(data: TrainingData, start: Network, rank: int, options: Trajectory, rng: np.random.Generator) -> Network:
    """Gradient descent (Adam) on the factors, the inputs and the bias; trials start from their recorded states."""
    r = torch.as_tensor(data.r, dtype=torch.float32, device=device())
    u = torch.as_tensor(np.nan_to_num(data.u), dtype=torch.float32, device=device())
    usable = np.flatnonzero(np.isfinite(data.r[:, 0]).all(1))
    size = np.sqrt(len(start.J))
    left, values, right = np.linalg.svd(start.J)
    # Loadings of order 1 for any number of units, so that one learning rate serves all.
    scale = np.sqrt(values[:rank] * size)
    m, n, B, b = (
        torch.tensor(part, dtype=torch.float32, device=device(), requires_grad=True)
        for part in (left[:, :rank] * scale, right[:rank].T * scale, start.B, start.b)
    )
    adam = torch.optim.Adam([m, n, B, b], lr=options.learning_rate)
    decreasing = torch.optim.lr_scheduler.CosineAnnealingLR(adam, options.steps)
    best, network = (free_run_error(data, start), start), start
    for step in range(1, options.steps + 1):
        chosen = rng.choice(usable, min(BATCH, len(usable)), replace=False)
        run = _run(m, n / size, B, b, start, r[chosen], u[chosen])
        seen = r[chosen].isfinite()
        loss = ((run - r[chosen].nan_to_num()) * seen).square().sum() / seen.sum()
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([m, n, B, b], 1.0)
        adam.step()
        decreasing.step()
        if step % EVERY == 0 or step == options.steps:
            m_now, n_now, B_now, b_now = (part.detach().cpu().numpy().astype(float) for part in (m, n, B, b))
            network = start._replace(J=m_now @ n_now.T / size, B=B_now, b=b_now)
            error = free_run_error(data, network)
            if error < best[0]:
                best = (error, network)
    return best[1]


def _run(
    m: torch.Tensor, n: torch.Tensor, B: torch.Tensor, b: torch.Tensor, start: Network, r: torch.Tensor, u: torch.Tensor
) -> torch.Tensor:
    """(trial, time, unit) rates of free runs from the first recorded sample of each trial."""
    x, external = torch.atanh(r[:, 0].clamp(-1 + 1e-6, 1 - 1e-6)), u @ B.T + b
    step = start.dt_s / (start.substeps * start.tau_s)
    rates = [torch.tanh(x)]
    for t in range(r.shape[1] - 1):
        for _ in range(start.substeps):
            x = x + step * ((torch.tanh(x) @ n) @ m.T + external[:, t] - x)
        rates.append(torch.tanh(x))
    return torch.stack(rates, dim=1)
