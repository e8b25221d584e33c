"""Refinement through time: the low-rank network whose free runs come closest to the recorded trajectories.

Where trials are condition averages, or have no process noise, one-step currents say little about the long-term
behaviour of a network, and a network of few latents may follow one of full rank. Here gradient descent through the
simulated trials changes the factors, from the closed-form solution on. States x and currents are dimensionless.
Publication: Valente, Pillow & Ostojic, NeurIPS 2022 (LINT).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from curbd.estimators.shooting import free_run_error
from curbd.network.equation import Network, phi_inverse
from curbd.network.fit import Fit
from curbd.network.tensors import device
from curbd.regression.transitions import TrainingData, from_first_bin, transitions
from curbd.settings.models import ReducedRank, Trajectory
from lrfit.estimators.reduced_rank import closed_form
from lrfit.network import canonical

Array = np.ndarray
TRIALS_PER_STEP = 32
"""Largest number of trials in one gradient step."""
STEPS_BETWEEN_EVALUATIONS = 25
"""Gradient steps from one evaluation of the free-run error to the next."""
MAX_GRADIENT_NORM = 0.01
"""Norm to which gradients are clipped. All but the last gradients are longer: through long trials their norm varies by
orders of magnitude, and only their direction is informative."""
EXPLAINED_SHARE = 0.9
"""Share of the gain by recurrence in held-out trials that the network of the effective rank must reach."""

log = logging.getLogger(__name__)


def trajectory(data: TrainingData, options: Trajectory, rng: np.random.Generator) -> Fit:
    """Refine the reduced-rank regression by gradient descent through time.

    Of all networks on the way, the network with the smallest free-run error on the training trials is returned.

    Parameters
    ----------
    data : training trials.
    options : the rank, where None means the effective rank (see `effective_rank`), and the gradient descent.
    rng : random numbers that choose the trials of each gradient step.

    Returns
    -------
    The network and its factors in the canonical gauge.
    """
    data = from_first_bin(data)
    rank, start = start_of_refinement(data, options, rng)
    network = refine(data, start, rank, options, rng)
    m, n = canonical(network.J, transitions(data).r, rank)
    return Fit(network._replace(J=m @ n.T), factors=(m, n))


def start_of_refinement(data: TrainingData, options: Trajectory, rng: np.random.Generator) -> tuple[int, Network]:
    """The rank and the network from which the refinement starts.

    Parameters
    ----------
    data : training trials.
    options : the rank, where None means the effective rank.
    rng : random numbers of the refinements by which the effective rank is found.

    Returns
    -------
    The rank of the options and the closed form of that rank; without a rank, those of `effective_rank`.
    """
    if options.rank is None:
        return effective_rank(data, options, rng)
    rank = min(options.rank, data.r.shape[2])
    return rank, closed_form(data, ReducedRank(rank=rank, folds=options.folds))[0]


def effective_rank(data: TrainingData, options: Trajectory, rng: np.random.Generator) -> tuple[int, Network]:
    """The smallest rank with which freely running networks follow held-out trials nearly as well as they can.

    One trial in ``options.folds`` is held out. Recurrence lowers the free-run error on the held-out trials below that
    of a network without recurrent weights. The largest such gain is that of the closed-form networks up to
    ``options.max_rank`` or of the refined network of that rank, whichever is best. The effective rank is the smallest
    rank whose refined network reaches `EXPLAINED_SHARE` of this gain. Networks of full rank, too, have an effective
    rank in this sense.

    Parameters
    ----------
    data : training trials.
    options : largest rank, folds, and the gradient descent.
    rng : random numbers that choose the trials of each gradient step.

    Returns
    -------
    The rank, and the network of that rank that was refined on the trials that are not held out.
    """
    held_out = np.unique(data.trial, return_inverse=True)[1] % options.folds == 0
    train, test = (data.of_trials(chosen) for chosen in (~held_out, held_out))
    if held_out.all():
        # There is only one trial: the network is fitted to it and judged by it.
        train = data
    max_rank = min(options.max_rank, data.r.shape[2])
    starts = [closed_form(train, ReducedRank(rank=rank, folds=options.folds))[0] for rank in range(1, max_rank + 1)]
    without_recurrence = free_run_error(test, starts[0]._replace(J=np.zeros_like(starts[0].J)))
    of_max_rank = refine(train, starts[-1], max_rank, options, rng)
    best = min(free_run_error(test, network) for network in (*starts, of_max_rank))
    for rank, start in enumerate(starts, 1):
        network = refine(train, start, rank, options, rng)
        gain = without_recurrence - free_run_error(test, network)
        log.info("rank %d: %.3f of the gain by recurrence", rank, gain / max(without_recurrence - best, 1e-300))
        if gain >= EXPLAINED_SHARE * (without_recurrence - best):
            break
    return rank, network


def refine(
    data: TrainingData,
    start: Network,
    rank: int,
    options: Trajectory,
    rng: np.random.Generator,
    *,
    unrecorded: int = 0,
) -> Network:
    """Gradient descent (Adam) on the factors, the input weights and the bias; trials start from their recorded states.

    Parameters
    ----------
    data : training trials.
    start : network whose J is cut to the given rank at the start.
    rank : number of latents.
    options : number of steps and learning rate.
    rng : random numbers that choose the trials of each step, and of the loadings of unrecorded units.
    unrecorded : number of units to add after those of ``start``. Their rates do not enter the error. They start with
        random loadings of the same spread as the other units and without any effect, n = 0.

    Returns
    -------
    The network with the smallest error on the training trials.
    """
    trials = _simulated_trials(data, start)
    usable = np.flatnonzero(np.isfinite(data.r[:, 0]).all(1))
    length = np.sqrt(len(start.J))
    left, values, right = np.linalg.svd(start.J)
    # Loadings of order 1 for any number of units, so that one learning rate serves all.
    scale = np.sqrt(values[:rank] * length)
    loadings = left[:, :rank] * scale, right[:rank].T * scale, np.column_stack([start.B, start.b])
    added = [columns.std(0) * rng.standard_normal((unrecorded, columns.shape[1])) for columns in loadings]
    added[1][:] = 0
    m, n, W = (_tensor(np.concatenate(rows)).requires_grad_() for rows in zip(loadings, added, strict=True))
    adam = torch.optim.Adam([m, n, W], lr=options.learning_rate, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, options.steps)
    best: tuple[float, Sequence[torch.Tensor]] = (np.inf, (m, n, W))
    for step in range(options.steps + 1):
        if step % STEPS_BETWEEN_EVALUATIONS == 0 or step == options.steps:
            with torch.no_grad():
                error = float(_error(m, n / length, W, trials, usable))
            if error < best[0]:
                best = (error, [parameter.detach().clone() for parameter in (m, n, W)])
        if step == options.steps:
            break
        loss = _error(m, n / length, W, trials, rng.choice(usable, min(TRIALS_PER_STEP, len(usable)), replace=False))
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([m, n, W], MAX_GRADIENT_NORM)
        adam.step()
        schedule.step()
    m_best, n_best, W_best = (parameter.detach().cpu().numpy().astype(float) for parameter in best[1])
    return start._replace(J=m_best @ n_best.T / length, B=W_best[:, :-1], b=W_best[:, -1])


class SimulatedTrials(NamedTuple):
    """Trials that free runs follow: everything that does not depend on the weights.

    Attributes
    ----------
    r : (sample, trial, unit) recorded rates, NaN where missing.
    x0 : (trial, unit) states in which the trials start.
    filtered : (Euler step, trial, input + 1) inputs, and 1 for the bias, after the exponential filter of the units.
    first : (trial, input + 1) inputs, and 1 for the bias, in the first sample.
    keep : share of its state that a unit keeps in one Euler step.
    substeps : Euler steps in one sample.
    """

    r: torch.Tensor
    x0: torch.Tensor
    filtered: torch.Tensor
    first: torch.Tensor
    keep: float
    substeps: int


def _simulated_trials(data: TrainingData, network: Network) -> SimulatedTrials:
    u = np.nan_to_num(data.u).swapaxes(0, 1)
    u = np.concatenate([u, np.ones((*u.shape[:2], 1))], axis=2)
    first, u = u[0], u[:-1].repeat(data.substeps, axis=0)
    keep = 1 - network.dt_s / (network.substeps * network.tau_s)
    filtered = np.zeros((len(u) + 1, *u.shape[1:]))
    for t, inputs in enumerate(u):
        filtered[t + 1] = keep * filtered[t] + (1 - keep) * inputs
    x0 = phi_inverse(np.clip(data.r[:, 0], -1 + 1e-6, 1 - 1e-6))
    return SimulatedTrials(
        r=_tensor(data.r.swapaxes(0, 1)),
        x0=_tensor(x0),
        filtered=_tensor(filtered),
        first=_tensor(first),
        keep=keep,
        substeps=data.substeps,
    )


def _error(m: torch.Tensor, n: torch.Tensor, W: torch.Tensor, trials: SimulatedTrials, chosen: Array) -> torch.Tensor:
    """Mean squared error of the rates in free runs of some trials.

    The runs are simulated in the space of the latents, x = m z + W filtered + keep^t x0 with tau dz/dt = -z + n' r. The
    network is the same, and the simulation takes a fraction of the time. Unrecorded units start in the states that the
    latents and the inputs determine (see `lrfit.network.positions`).

    Parameters
    ----------
    m, n : (unit, rank) factors.
    W : (unit, input + 1) weights of the inputs, and bias.
    trials : trials to follow.
    chosen : (trial,) indices of the trials that are simulated.
    """
    recorded = trials.x0.shape[1]
    x0 = trials.x0[chosen]
    if len(m) > recorded:
        at_rest = trials.first[chosen] @ W.T
        z0 = (x0 - at_rest[:, :recorded]) @ torch.linalg.pinv(m[:recorded]).T
        x0 = torch.cat([x0, at_rest[:, recorded:] + z0 @ m[recorded:].T], dim=1)
    kept = trials.keep ** torch.arange(len(trials.filtered), device=W.device)
    external = trials.filtered[:, chosen] @ W.T + kept[:, None, None] * x0
    z = external.new_zeros(len(chosen), m.shape[1])
    rates = []
    for state in external:
        r = torch.tanh(torch.addmm(state, z, m.T))
        z = torch.addmm(z, r, (1 - trials.keep) * n, beta=trials.keep)
        rates.append(r[:, :recorded])
    recorded_rates = trials.r[:, chosen]
    observed = recorded_rates.isfinite()
    error = torch.stack(rates[:: trials.substeps]) - recorded_rates.nan_to_num()
    return (error * observed).square().sum() / observed.sum()


def _tensor(values: Array) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device())
