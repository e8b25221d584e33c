"""States behind noisy rates: a Gaussian about their mean paths and random draws from it, given a network.

x[t+1] = f(x[t], u[t]) + process noise, rates seen = tanh(x) + measurement noise. The log posterior of the paths is the
sum of the squared residuals of both equations, each over its variance. Its Gaussian approximation (variational: Opper &
Archambeau, Neural Computation 2009) has the mean at which the gradient, averaged over the Gaussian itself, vanishes:
Gauss-Newton steps whose normal equations are solved by conjugate gradients, preconditioned by every unit's own chain in
time. The average runs over a draw and its mirror image; the most probable path alone would let states that saturate
tanh run away. A draw solves the same equations with random right-hand sides of matching variance (Papandreou & Yuille,
NeurIPS 2010), so that no covariance matrix is ever formed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.equation import Network, decay, tensor
from curbd.network.fit import Noise
from curbd.states.indicator import (
    Indicator,
    curvature,
    filtered,
    filtered_back,
    kept,
    precondition,
    scatter,
    through_indicator,
)

Array = np.ndarray
DTYPE = torch.float32
"""Paths need no more digits than this; it halves the time."""
LARGEST_STEP = 1.0
"""Longest Gauss-Newton step of a state: beyond it tanh is nowhere near its tangent."""
MOST_STEPS = 30
"""Steps of conjugate gradients, at most."""


class Seen(NamedTuple):
    """Observed activity, time first.

    Attributes
    ----------
    r : (time, trial, unit) rates, 0 where missing.
    known : (time, trial, 1) 1 where every unit was observed, else 0.
    u : (time, trial, input) inputs.
    """

    r: torch.Tensor
    known: torch.Tensor
    u: torch.Tensor


class Chain(NamedTuple):
    """The linearised problem around given paths; precisions are inverse variances.

    decay D, J (target, source) times 1 - D, slope (time - 1, trial, unit) of the rates inside a step by the state,
    link (time - 1, trial, unit) precision of a transition, weight (time, trial, unit) precision of a state by itself,
    lower, pivot: factor of every unit's own tridiagonal chain, gradient (time, trial, unit), indicator: what is seen
    through a slow indicator, which is then in neither of the others.
    """

    decay: float
    J: torch.Tensor
    slope: torch.Tensor
    link: torch.Tensor
    weight: torch.Tensor
    lower: torch.Tensor
    pivot: torch.Tensor
    gradient: torch.Tensor
    indicator: Indicator | None


def seen(r: Array, u: Array, amplitude: Array | float = 1.0) -> Seen:
    """Observed r (trial, time, unit) over an amplitude (unit,), and u (trial, time, input); NaN is missing."""
    known = np.isfinite(r).all(2, keepdims=True) & np.isfinite(u).all(2, keepdims=True)
    parts = (np.where(known, r / amplitude, 0.0), known.astype(float), np.where(known, u, 0.0))
    return Seen(*(time_first(part) for part in parts))


def time_first(array: Array) -> torch.Tensor:
    """(trial, time, ...) as a (time, trial, ...) tensor."""
    return tensor(np.moveaxis(array, 1, 0)).to(DTYPE)


def relative_variance(noise: Noise, r: torch.Tensor) -> torch.Tensor:
    """Variance of the rates seen over ``noise.measurement``, at the rates r."""
    if noise.silent is None:
        return torch.ones_like(r)
    return torch.maximum(r - noise.silent, noise.least)


def improve(x: torch.Tensor, chain: Chain) -> torch.Tensor:
    """The mean paths x (time, trial, unit) after one Gauss-Newton step."""
    step = _solve(chain, chain.gradient, tolerance=0.1)
    return x - step.clamp(-LARGEST_STEP, LARGEST_STEP)


def draw(chain: Chain, random: torch.Generator) -> torch.Tensor:
    """Deviation (time, trial, unit) of one draw of the posterior from its mean paths."""
    side = torch.randn(chain.weight.shape, generator=random, dtype=DTYPE).to(chain.weight.device) * chain.weight.sqrt()
    kick = torch.randn(chain.link.shape, generator=random, dtype=DTYPE).to(chain.weight.device) * chain.link.sqrt()
    if chain.indicator is not None:
        seen_noise = torch.randn(chain.weight.shape, generator=random, dtype=DTYPE).to(chain.weight.device)
        side += scatter(chain.indicator, seen_noise)
    side[1:] += kick
    side[:-1] -= _transposed(chain, kick)
    return _solve(chain, side, tolerance=0.03)


def linearise(images: Sequence[torch.Tensor], data: Seen, network: Network, noise: Noise) -> Chain:
    """The least-squares problem around paths (time, trial, unit), averaged over several of them.

    With a single path it is that of the most probable one.
    """
    parts = [_around(x, data, network, noise) for x in images]
    weight, slope, gradient, gain, precision = (torch.stack(part).mean(0) for part in zip(*parts, strict=True))
    D, J = decay(network.dt_s, network.tau_s, network.substeps), _step_weights(network)
    link = data.known[1:] * data.known[:-1] / noise.process
    own = J.diagonal()
    pivot = weight.clone()
    pivot[1:] += link
    pivot[:-1] += link * (D**2 + 2 * D * slope * own) + slope**2 * (link @ J**2)
    lower = -link * (D + slope * own)
    indicator = None
    if noise.keep:
        indicator = through_indicator(kept(data.known, noise.keep), gain, precision, pivot, lower)
    across, pivots = lower.unbind(), pivot.unbind()
    for t, one in enumerate(across):
        below = one / pivots[t]
        pivots[t + 1].sub_(below * one)
        one.copy_(below)
    return Chain(D, J, slope, link, weight, lower, pivot, gradient, indicator)


def _around(x: torch.Tensor, data: Seen, network: Network, noise: Noise) -> tuple[torch.Tensor, ...]:
    """Weight, slope and gradient of a chain at one path, slope of the rates by the states, precision of the seen."""
    ahead, slope = _predicted(x[:-1], data.u[:-1], network)
    pull = data.known[1:] * data.known[:-1] / noise.process * (x[1:] - ahead)
    r = torch.tanh(x)
    gain = 1 - r * r
    precision = data.known / (noise.measurement * relative_variance(noise, r))
    if noise.keep:
        keep = kept(data.known, noise.keep)
        gradient = -gain * filtered_back(precision * (data.r - filtered(r, keep)), keep)
    else:
        gradient = -gain * precision * (data.r - r)
    gradient[0] += (x[0] - noise.start_mean) / noise.start_variance
    gradient[1:] += pull
    D, J = decay(network.dt_s, network.tau_s, network.substeps), _step_weights(network)
    gradient[:-1] -= D * pull + slope * (pull @ J)
    # A missing sample is tied to nothing; a hair of precision keeps it where it is.
    weight = 1e-6 + (torch.zeros_like(gain) if noise.keep else precision * gain**2)
    weight[0] += 1 / noise.start_variance
    return weight, slope, gradient, gain, precision


def _step_weights(network: Network) -> torch.Tensor:
    """J (target, source) times 1 - D."""
    return tensor(network.J).to(DTYPE) * (1 - decay(network.dt_s, network.tau_s, network.substeps))


def _predicted(x: torch.Tensor, u: torch.Tensor, network: Network) -> tuple[torch.Tensor, torch.Tensor]:
    """Next state, and the derivative of the mean rate inside the step by the unit's own state."""
    step = network.dt_s / (network.substeps * network.tau_s)
    J_t = tensor(network.J.T).to(DTYPE)
    external = u @ tensor(network.B.T).to(DTYPE) + tensor(network.b).to(DTYPE)
    state, slope = x, torch.zeros_like(x)
    for _ in range(network.substeps):
        r = torch.tanh(state)
        # The early steps of a sample act on its end through decay, and the start acts on the late ones: the factors
        # multiply to the same (1 - step)^(substeps - 1) everywhere.
        slope += 1 - r * r
        state = state + step * (r @ J_t + external - state)
    left = (1 - step) ** network.substeps
    return state, slope * (step * (1 - step) ** (network.substeps - 1) / (1 - left))


def _forward(chain: Chain, v: torch.Tensor) -> torch.Tensor:
    return chain.decay * v + (chain.slope * v) @ chain.J.T


def _transposed(chain: Chain, e: torch.Tensor) -> torch.Tensor:
    return chain.decay * e + chain.slope * (e @ chain.J)


def _hessian(chain: Chain, v: torch.Tensor) -> torch.Tensor:
    e = chain.link * (v[1:] - _forward(chain, v[:-1]))
    out = chain.weight * v
    out[1:] += e
    out[:-1] -= _transposed(chain, e)
    return out if chain.indicator is None else out + curvature(chain.indicator, v)


def _precondition(chain: Chain, v: torch.Tensor) -> torch.Tensor:
    """Solution of every unit's own chain, all others held."""
    if chain.indicator is not None:
        return precondition(chain.indicator, v)
    out = v.clone()
    # Views once instead of an index a step: half of the time of small recordings.
    bins, lower = out.unbind(), chain.lower.unbind()
    for t in range(len(lower)):
        bins[t + 1].sub_(lower[t] * bins[t])
    out /= chain.pivot
    for t in range(len(lower) - 1, -1, -1):
        bins[t].sub_(lower[t] * bins[t + 1])
    return out


def _solve(chain: Chain, side: torch.Tensor, tolerance: float) -> torch.Tensor:
    """Preconditioned conjugate gradients until the residual has fallen by the tolerance."""
    out, residual = torch.zeros_like(side), side.clone()
    direction = near = _precondition(chain, residual)
    power = start = float((residual * near).sum())
    for _ in range(MOST_STEPS):
        if power <= tolerance**2 * start:
            break
        curved = _hessian(chain, direction)
        length = power / float((direction * curved).sum())
        out += length * direction
        residual -= length * curved
        near = _precondition(chain, residual)
        power, before = float((residual * near).sum()), power
        direction = near + (power / before) * direction
    return out
