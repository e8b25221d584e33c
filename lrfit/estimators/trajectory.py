"""Refinement through time: the low-rank network whose free simulations come closest to the recorded trajectories.

If trials are condition averages or have no process noise, one-step currents say little about the long-term behaviour of
a network, and a network of few latents may reproduce a network of full rank. Gradient descent through the simulated
trials therefore changes the factors m and n of J = m n', starting from the closed-form solution. States x and currents
are dimensionless, in the units of x in tau dx/dt = -x + J r + B u + b. Publication: Valente, Pillow & Ostojic, NeurIPS
2022 (LINT).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from curbd.estimators.shooting import free_run_error
from curbd.network.equation import Network
from curbd.network.fit import Fit
from curbd.network.nonlinearity import TANH
from curbd.network.tensors import device
from curbd.progress import tracked
from curbd.regression.transitions import TrainingData, from_first_bin, transitions
from curbd.settings.estimators import ReducedRank, Trajectory
from lrfit.estimators.reduced_rank import closed_form
from lrfit.network import canonical

Array = np.ndarray
TRIALS_PER_STEP = 32
"""Largest number of trials in one gradient step."""
STEPS_BETWEEN_EVALUATIONS = 25
"""Gradient steps from one evaluation of the free-run error to the next."""
MAX_GRADIENT_NORM = 0.01
"""Norm to which gradients are clipped. Gradients are longer than this except at the very end: through long trials their
norm varies by orders of magnitude, and only their direction is informative."""
EXPLAINED_SHARE = 0.9
"""The network of the effective rank must reach this share of the gain that recurrence gives in held-out trials."""

log = logging.getLogger(__name__)


def trajectory(data: TrainingData, options: Trajectory, rng: np.random.Generator) -> Fit:
    """Fit a low-rank network by gradient descent through simulated trials, starting from the reduced-rank regression.

    Of all networks in the course of the descent, the network with the smallest free-run error on the training trials is
    returned. Publication: Valente, Pillow & Ostojic, NeurIPS 2022 (LINT).

    Parameters
    ----------
    data : training trials.
    options : the rank (None: the effective rank, see `effective_rank`) and the options of the gradient descent.
    rng : random generator that chooses the trials of each gradient step.

    Returns
    -------
    The network and its factors in the canonical gauge (see `lrfit.network.canonical`).
    """
    data = from_first_bin(data)
    rank, start = start_of_refinement(data, options, rng)
    network = refine(data, start, rank, options, rng)
    m, n = canonical(network.J, transitions(data).r, rank)
    return Fit(network._replace(J=m @ n.T), factors=(m, n))


def start_of_refinement(data: TrainingData, options: Trajectory, rng: np.random.Generator) -> tuple[int, Network]:
    """Return the rank and the network from which the gradient descent starts.

    Parameters
    ----------
    data : training trials.
    options : the rank (None: the effective rank, see `effective_rank`) and the options of the gradient descent.
    rng : random generator of the fits by which the effective rank is found.

    Returns
    -------
    The rank in the options, with the closed-form network of that rank; if the options give no rank, the result of
    `effective_rank`.
    """
    if options.rank is None:
        return effective_rank(data, options, rng)
    rank = min(options.rank, data.r.shape[2])
    return rank, closed_form(data, ReducedRank(rank=rank, folds=options.folds))[0]


def effective_rank(data: TrainingData, options: Trajectory, rng: np.random.Generator) -> tuple[int, Network]:
    """Find the smallest rank at which free simulations follow held-out trials nearly as well as at the best rank.

    One in ``options.folds`` trials is held out. The gain of a network is the difference between the free-run error of a
    network without recurrent weights and that of the network, on the held-out trials. The largest gain is taken over
    the closed-form networks of ranks up to ``options.max_rank`` and the refined network of the largest rank. The
    effective rank is the smallest rank whose refined network reaches `EXPLAINED_SHARE` of the largest gain. A network
    of full rank also has an effective rank in this sense.

    Parameters
    ----------
    data : training trials.
    options : largest rank, folds, and the options of the gradient descent.
    rng : random generator that chooses the trials of each gradient step.

    Returns
    -------
    The rank, and the network of that rank refined on the trials that are not held out.
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
    """Fit factors, input weights and bias by gradient descent (Adam), so that simulated trials follow recorded trials.

    Simulated trials start from the recorded states.

    Parameters
    ----------
    data : training trials.
    start : network at the start, whose J is truncated to the given rank.
    rank : number of latents.
    options : number of steps and learning rate.
    rng : random generator that chooses the trials of each step and draws the loadings of unrecorded units.
    unrecorded : number of units that are appended to the units of ``start``. Their rates do not enter the error. They
        start with random left factors m, input weights and biases of the same spread as those of the other units, and
        with n = 0, so that they have no effect.

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
    for step in tracked(range(options.steps + 1), "gradient steps"):
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
    """Everything that the simulation of the training trials needs and that does not depend on the weights.

    Attributes
    ----------
    r : (sample, trial, unit) recorded rates, NaN where missing.
    x0 : (trial, unit) states in which the trials start.
    filtered : (Euler step, trial, input + 1) inputs, and 1 for the bias, after the exponential filter of the units.
    first : (trial, input + 1) inputs, and 1 for the bias, in the first sample.
    keep : share of its state that a unit keeps in one Euler step.
    substeps : number of Euler steps per sample.
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
    x0 = TANH.inverse(np.clip(data.r[:, 0], -1 + 1e-6, 1 - 1e-6))
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
    latents and the inputs determine.

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
