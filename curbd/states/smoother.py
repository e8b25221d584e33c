"""Inference of the states behind noisy rates, given a network: mean of a Gaussian posterior, and random draws.

The model is x[t+1] = f(x[t], u[t]) + process noise, observed rates = tanh(x) + measurement noise, where f is one sample
of tau dx/dt = -x + J r + B u + b; states and rates are dimensionless. The log posterior of the paths is the sum of the
squared residuals of both equations, each over its variance. The mean of the Gaussian approximation is the point at
which the gradient of the log posterior, averaged over the Gaussian itself, vanishes (variational approximation: Opper &
Archambeau, Neural Computation 2009). The mean is found by Gauss-Newton steps, whose normal equations are solved by
conjugate gradients; the preconditioner is the solution for every unit alone. The average is over a draw and its mirror
image about the mean. If the most probable states were used instead of the mean, states that saturate tanh would grow
without limit. A draw solves the same equations with random right-hand sides of matching covariance (Papandreou &
Yuille, NeurIPS 2010), so that no covariance matrix is formed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from curbd.network.equation import Network, decay
from curbd.network.fit import Noise
from curbd.network.tensors import tensor
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
"""Single precision is sufficient for inferred states, and takes half of the time."""
MAX_STATE_STEP = 1.0
"""Longest Gauss-Newton step of a state, dimensionless: after a longer step, tanh would be far from its tangent."""
MAX_CONJUGATE_GRADIENT_STEPS = 30
"""Largest number of steps of conjugate gradients."""
STEP_TOLERANCE = 0.1
"""Relative residual at which the solution for a Gauss-Newton step is accurate enough."""
DRAW_TOLERANCE = 0.03
"""Relative residual at which the solution for a draw is accurate enough."""
LEAST_PRECISION = 1e-6
"""Prior precision of every single state: a missing sample is determined by nothing else, and stays where it is."""


class Observations(NamedTuple):
    """Observed activity, with time as the first axis.

    Attributes
    ----------
    r : (time, trial, unit) rates, 0 where missing.
    complete : (time, trial, 1) 1 where every unit and input was observed, else 0.
    u : (time, trial, input) inputs.
    """

    r: torch.Tensor
    complete: torch.Tensor
    u: torch.Tensor


class Chain(NamedTuple):
    """The least-squares problem of the smoother, linearised around given states; precisions are inverse variances.

    Attributes
    ----------
    decay : share D of a state x that is left after one sample.
    J : (target, source) recurrent weights times 1 - D.
    slope : (time - 1, trial, unit) derivative of the mean rate inside a sample with respect to the unit's state.
    link : (time - 1, trial, unit) precision of a transition.
    weight : (time, trial, unit) precision of a single state.
    lower : (time - 1, trial, unit) subdiagonal of the factorised tridiagonal matrix of every unit.
    pivot : (time, trial, unit) diagonal of that factorisation.
    gradient : (time, trial, unit) gradient of the negative log posterior.
    indicator : the observations through a slow indicator, which ``weight`` does not include; None without an indicator.
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


def observations(r: Array, u: Array, amplitude: Array | float = 1.0) -> Observations:
    """Convert observed activity to tensors with time as the first axis.

    Parameters
    ----------
    r : (trial, time, unit) observed rates, NaN where missing.
    u : (trial, time, input) inputs, NaN where missing.
    amplitude : (unit,) number by which the rates are divided.

    Returns
    -------
    The observed activity.
    """
    complete = np.isfinite(r).all(2, keepdims=True) & np.isfinite(u).all(2, keepdims=True)
    return Observations(
        r=time_first(np.where(complete, r / amplitude, 0.0)),
        complete=time_first(complete.astype(float)),
        u=time_first(np.where(complete, u, 0.0)),
    )


def time_first(array: Array) -> torch.Tensor:
    """Convert an array (trial, time, ...) to a tensor (time, trial, ...) in single precision."""
    return tensor(np.moveaxis(array, 1, 0)).to(DTYPE)


def relative_variance(noise: Noise, r: torch.Tensor) -> torch.Tensor:
    """Return the variance of the observed rates divided by ``noise.measurement``: 1, or the rate above silence."""
    if noise.silent is None:
        return torch.ones_like(r)
    return torch.maximum(r - noise.silent, noise.least_excess)


def improve(x: torch.Tensor, chain: Chain) -> torch.Tensor:
    """Improve the posterior mean x (time, trial, unit) of the states by one Gauss-Newton step."""
    step = _solve(chain, chain.gradient, tolerance=STEP_TOLERANCE)
    return x - step.clamp(-MAX_STATE_STEP, MAX_STATE_STEP)


def draw(chain: Chain, random: torch.Generator) -> torch.Tensor:
    """Draw states from the posterior; returns their deviation (time, trial, unit) from the posterior mean."""
    side = torch.randn(chain.weight.shape, generator=random, dtype=DTYPE).to(chain.weight.device) * chain.weight.sqrt()
    kick = torch.randn(chain.link.shape, generator=random, dtype=DTYPE).to(chain.weight.device) * chain.link.sqrt()
    if chain.indicator is not None:
        normal = torch.randn(chain.weight.shape, generator=random, dtype=DTYPE).to(chain.weight.device)
        side += scatter(chain.indicator, normal)
    side[1:] += kick
    side[:-1] -= _transposed(chain, kick)
    return _solve(chain, side, tolerance=DRAW_TOLERANCE)


def linearise(images: Sequence[torch.Tensor], data: Observations, network: Network, noise: Noise) -> Chain:
    """Construct the least-squares problem of the smoother around given states, averaged over the given states.

    Parameters
    ----------
    images : states (time, trial, unit), usually a draw from the posterior and its mirror image about the mean. With a
        single entry, repeated steps lead to the most probable states instead of the posterior mean.
    data : observed activity.
    network : the network that generates the states.
    noise : process noise and measurement noise.

    Returns
    -------
    The linearised problem.
    """
    terms = [_around(x, data, network, noise) for x in images]
    weight, slope, gradient, gain, precision = (torch.stack(term).mean(0) for term in zip(*terms, strict=True))
    D, J = decay(network.dt_s, network.tau_s, network.substeps), _step_weights(network)
    link = data.complete[1:] * data.complete[:-1] / noise.process
    own = J.diagonal()
    pivot = weight.clone()
    pivot[1:] += link
    pivot[:-1] += link * (D**2 + 2 * D * slope * own) + slope**2 * (link @ J**2)
    lower = -link * (D + slope * own)
    indicator = None
    if noise.keep:
        indicator = through_indicator(kept(data.complete, noise.keep), gain, precision, pivot, lower)
    pivots = pivot.unbind()
    for t, subdiagonal in enumerate(lower.unbind()):
        factor = subdiagonal / pivots[t]
        pivots[t + 1].sub_(factor * subdiagonal)
        subdiagonal.copy_(factor)
    return Chain(
        decay=D,
        J=J,
        slope=slope,
        link=link,
        weight=weight,
        lower=lower,
        pivot=pivot,
        gradient=gradient,
        indicator=indicator,
    )


def _around(x: torch.Tensor, data: Observations, network: Network, noise: Noise) -> tuple[torch.Tensor, ...]:
    """Compute weight, slope and gradient of a chain at given states, rate derivatives, and observation precisions."""
    ahead, slope = _predicted(x[:-1], data.u[:-1], network)
    pull = data.complete[1:] * data.complete[:-1] / noise.process * (x[1:] - ahead)
    r = torch.tanh(x)
    gain = 1 - r * r
    precision = data.complete / (noise.measurement * relative_variance(noise, r))
    if noise.keep:
        keep = kept(data.complete, noise.keep)
        gradient = -gain * filtered_back(precision * (data.r - filtered(r, keep)), keep)
    else:
        gradient = -gain * precision * (data.r - r)
    gradient[0] += (x[0] - noise.start_mean) / noise.start_variance
    gradient[1:] += pull
    D, J = decay(network.dt_s, network.tau_s, network.substeps), _step_weights(network)
    gradient[:-1] -= D * pull + slope * (pull @ J)
    weight = LEAST_PRECISION + (torch.zeros_like(gain) if noise.keep else precision * gain**2)
    weight[0] += 1 / noise.start_variance
    return weight, slope, gradient, gain, precision


def _step_weights(network: Network) -> torch.Tensor:
    """Return the recurrent weights J (target, source) times 1 - D."""
    return tensor(network.J).to(DTYPE) * (1 - decay(network.dt_s, network.tau_s, network.substeps))


def _predicted(x: torch.Tensor, u: torch.Tensor, network: Network) -> tuple[torch.Tensor, torch.Tensor]:
    """Predict the next state, and the derivative of a unit's mean rate inside the sample with respect to its state."""
    step = network.dt_s / (network.substeps * network.tau_s)
    J_t = tensor(network.J.T).to(DTYPE)
    external = u @ tensor(network.B.T).to(DTYPE) + tensor(network.b).to(DTYPE)
    state, slope = x, torch.zeros_like(x)
    for _ in range(network.substeps):
        r = torch.tanh(state)
        # The effect of an early step on the end of the sample decays, and so does the effect of the start on a late
        # step: the product of both factors is (1 - step)^(substeps - 1) for every step.
        slope += 1 - r * r
        state = state + step * (r @ J_t + external - state)
    left = (1 - step) ** network.substeps
    return state, slope * (step * (1 - step) ** (network.substeps - 1) / (1 - left))


def _forward(chain: Chain, v: torch.Tensor) -> torch.Tensor:
    """Return the change of the next states for a change v of the states."""
    return chain.decay * v + (chain.slope * v) @ chain.J.T


def _transposed(chain: Chain, e: torch.Tensor) -> torch.Tensor:
    """Apply the transpose of `_forward` to e."""
    return chain.decay * e + chain.slope * (e @ chain.J)


def _hessian(chain: Chain, v: torch.Tensor) -> torch.Tensor:
    """Multiply v by the matrix of the normal equations."""
    e = chain.link * (v[1:] - _forward(chain, v[:-1]))
    out = chain.weight * v
    out[1:] += e
    out[:-1] -= _transposed(chain, e)
    return out if chain.indicator is None else out + curvature(chain.indicator, v)


def _precondition(chain: Chain, v: torch.Tensor) -> torch.Tensor:
    """Solve the equations of every unit alone, with all other units fixed."""
    if chain.indicator is not None:
        return precondition(chain.indicator, v)
    out = v.clone()
    # Views are made once and not indexed in every step: this takes half of the time for small recordings.
    bins, lower = out.unbind(), chain.lower.unbind()
    for t in range(len(lower)):
        bins[t + 1].sub_(lower[t] * bins[t])
    out /= chain.pivot
    for t in range(len(lower) - 1, -1, -1):
        bins[t].sub_(lower[t] * bins[t + 1])
    return out


def _solve(chain: Chain, side: torch.Tensor, tolerance: float) -> torch.Tensor:
    """Solve the normal equations by preconditioned conjugate gradients.

    Parameters
    ----------
    chain : the linearised problem.
    side : (time, trial, unit) right-hand side.
    tolerance : relative residual at which the iteration ends.
    """
    out, residual = torch.zeros_like(side), side.clone()
    direction = preconditioned = _precondition(chain, residual)
    power = start = float((residual * preconditioned).sum())
    for _ in range(MAX_CONJUGATE_GRADIENT_STEPS):
        if power <= tolerance**2 * start:
            break
        curved = _hessian(chain, direction)
        length = power / float((direction * curved).sum())
        out += length * direction
        residual -= length * curved
        preconditioned = _precondition(chain, residual)
        power, before = float((residual * preconditioned).sum()), power
        direction = preconditioned + (power / before) * direction
    return out
