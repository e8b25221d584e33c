"""Direct effects between regions behind a slow response, from the cross-spectrum of their mean activity.

What a slow recording shows is not the activity of a region, but that activity through a response: the BOLD response of
fMRI, or the decay of a calcium indicator. The effects of regions on one another are faster than the response, and often
faster than the bins. The model has both: tau dx/dt = -x + A x + e inside the bins, with white e, and the observed
activity is every region's x through its own response, plus noise. Delays between regions that are due to their
responses are thus told from delays that are due to effects. The cross-spectrum of the model has a closed form for every
frequency, aliases of frequencies above half the sampling rate included, and is fitted to the measured one by the
likelihood of Whittle, with a normal prior on every parameter. The shape of the responses stays within bounds. Of three
kinds of response the likeliest is taken. The standard errors allow for errors of the model (sandwich, over blocks of
trials), but not for causes that were not recorded.

Publications: Whittle, J. R. Stat. Soc. B 1957 (the likelihood); Friston et al., NeuroImage 2014 (effects from
cross-spectra of fMRI); Friston et al., NeuroImage 1998 (the difference of two gamma densities); White, Econometrica
1982 (standard errors).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.special import ndtri as normal_quantile

from curbd.pathways.cross_spectra import MeasuredSpectra, spectra_of
from curbd.pathways.skewness import mean_activity
from curbd.pathways.verdict import LEAST_SLOW_BIN_S

Array = np.ndarray
MAX_RESPONSE_REGIONS = 16
"""Largest number of regions: the time of the fit grows with its fifth power."""
DELAY_S = (3.0, 6.0, 9.0)
"""Least, usual and largest delay of the BOLD response, s."""
WIDTH_S = (0.5, 1.0, 2.0)
"""Least, usual and largest width of the BOLD response (scale of the gamma densities), s."""
UNDERSHOOT = (0.0, 0.17, 0.5)
"""Least, usual and largest size of the undershoot that follows the BOLD response."""
UNDERSHOOT_LATER_S = 10.0
"""Delay between the BOLD response and its undershoot, s."""
DECAY_S = (0.1, 1.5, 10.0)
"""Least, usual and largest decay time of an indicator, s."""
FAST_S = (0.05, 0.5, 2.5)
"""Least, usual and largest time constant of the regions behind a response, s."""
ANY_S = (0.05, 1.0, 20.0)
"""Least, usual and largest time constant of regions that are observed without a response, s."""
EFFECT_SD = 0.5
"""Standard deviation of the prior of an effect, in standard deviations of the activity."""
SHAPE_SD = 0.5
"""Standard deviation of the prior of a shape between its bounds, on the logistic scale."""
POWER_SD = 3.0
"""Standard deviation of the prior of the logarithm of a power."""
MAX_LOG_POWER = 8.0
"""Largest size of the logarithm of a power: activity is standardised, and wild steps of the search end here."""
LEAST_NOISE = 1e-4
"""Smallest power of the noise, so that copies of a region can be inverted."""
MAX_FEEDBACK = 0.95
"""Largest eigenvalue of the effects: above 1, activity would grow without limit."""
FEEDBACK_PENALTY = 1e4
"""Price of the square by which the largest eigenvalue exceeds its limit, in nats."""
MAX_STEPS = 300
"""Largest number of steps of the search."""


class ResponseEffects(NamedTuple):
    """Direct effects between regions behind a slow response.

    Attributes
    ----------
    effect : (target region, source region) change of the target, in its standard deviations, for a lasting change of
        the source by one standard deviation; NaN on the diagonal, and everywhere if nothing can be said.
    low, high : (target region, source region) ends of the 95 % interval; NaN like the effect.
    response : the kind of the response, ``bold``, ``indicator`` or ``none``; '' if nothing can be said.
    response_s : (region,) delay of the BOLD response or decay time of the indicator, s; NaN without a response.
    """

    effect: Array
    low: Array
    high: Array
    response: str
    response_s: Array


class _Parameters(NamedTuple):
    """What is fitted; all tensors are views of one vector.

    Attributes
    ----------
    effect : (target, source) effects A, 0 on the diagonal.
    power, noise : (region,) logarithm of the power of the input e and of the noise.
    shape : (3, region) delay or decay, width and undershoot of the response, on the logistic scale, 0 for the usual.
    time_constant : () time constant on the logistic scale.
    """

    effect: torch.Tensor
    power: torch.Tensor
    noise: torch.Tensor
    shape: torch.Tensor
    time_constant: torch.Tensor


def response_effects(r: Array, region_of_unit: Array, bin_s: float) -> ResponseEffects:
    """Estimate direct effects between regions that are observed through a slow response.

    Parameters
    ----------
    r : (trial, time, unit) rates of the training trials, NaN where missing.
    region_of_unit : (unit,) index of each unit's region, from 0.
    bin_s : width of the bins, s.

    Returns
    -------
    The effects, their intervals, and the response with which the recording is likeliest.
    """
    n_regions = int(region_of_unit.max()) + 1
    nothing = np.full((n_regions, n_regions), np.nan)
    said_nothing = ResponseEffects(nothing, nothing, nothing, "", nothing[0])
    if bin_s < LEAST_SLOW_BIN_S or not 2 <= n_regions <= MAX_RESPONSE_REGIONS:
        return said_nothing
    spectra = spectra_of(mean_activity(r, region_of_unit), bin_s)
    if spectra is None:
        return said_nothing
    start = _start(spectra)
    fits = {kind: _fit(spectra, kind, start) for kind in ("bold", "indicator", "none")}
    kind = min(fits, key=lambda name: fits[name][1])
    best = fits[kind][0]
    between = ~np.eye(n_regions, dtype=bool)
    effect, low, high = nothing.copy(), nothing.copy(), nothing.copy()
    effect[between] = best[: between.sum()].numpy()
    margin = normal_quantile(0.975) * _standard_errors(best, spectra, kind, start)[: between.sum()]
    low[between], high[between] = effect[between] - margin, effect[between] + margin
    shape = _unpacked(best, n_regions).shape[0]
    bounds = {"bold": DELAY_S, "indicator": DECAY_S}.get(kind)
    return ResponseEffects(effect, low, high, kind, _bounded(shape, bounds).numpy() if bounds else nothing[0])


def _start(spectra: MeasuredSpectra) -> torch.Tensor:
    """Parameters where the search starts: no effects, usual responses, and noise with the power of high frequencies."""
    power = torch.log(spectra.mean().diagonal(dim1=1, dim2=2).real + LEAST_NOISE)
    few, n_regions = max(len(power) // 6, 1), power.shape[1]
    no_effects, usual = power.new_zeros(n_regions * (n_regions - 1)), power.new_zeros(3 * n_regions + 1)
    return torch.cat([no_effects, power[:few].mean(0), power[-few:].mean(0), usual])


def _fit(spectra: MeasuredSpectra, kind: str, start: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Most probable parameters with a kind of response, and their negative log posterior."""
    parameters = start.clone().requires_grad_()
    scale = float(spectra.weight.sum()) * spectra.blocks.shape[1]
    search = torch.optim.LBFGS(
        [parameters], max_iter=MAX_STEPS, history_size=30, line_search_fn="strong_wolfe", tolerance_change=1e-9
    )

    def loss() -> torch.Tensor:
        search.zero_grad()
        price = _negative_log_posterior(parameters, spectra, kind, start) / scale
        price.backward()
        return price

    search.step(loss)
    fitted = parameters.detach()
    return fitted, float(_negative_log_posterior(fitted, spectra, kind, start))


def _unpacked(parameters: torch.Tensor, n_regions: int) -> _Parameters:
    """Give every part of the vector of parameters its shape."""
    n_effects = n_regions * (n_regions - 1)
    between = ~torch.eye(n_regions, dtype=torch.bool)
    effect = torch.zeros(n_regions, n_regions, dtype=parameters.dtype).masked_scatter(between, parameters[:n_effects])
    power, noise, *shape = parameters[n_effects:-1].reshape(5, n_regions)
    power, noise = (torch.clamp(size, -MAX_LOG_POWER, MAX_LOG_POWER) for size in (power, noise))
    return _Parameters(effect, power, noise, torch.stack(shape), parameters[-1])


def _bounded(logit: torch.Tensor, limits: tuple[float, float, float]) -> torch.Tensor:
    """Map the logistic scale into limits (least, usual, largest), 0 to the usual value."""
    least, usual, largest = limits
    return least + (largest - least) * torch.sigmoid(logit + np.log((usual - least) / (largest - usual)))


def _response(omega: torch.Tensor, shape: torch.Tensor, kind: str) -> torch.Tensor:
    """Transfer function (frequency, region) of the responses, 1 at frequency 0.

    Parameters
    ----------
    omega : (frequency,) frequencies, in radians per s.
    shape : (3, region) delay or decay, width and undershoot on the logistic scale.
    kind : ``bold``, ``indicator`` or ``none``.
    """
    turn = 1j * omega[:, None]
    if kind == "bold":
        delay, width, undershoot = map(_bounded, shape, (DELAY_S, WIDTH_S, UNDERSHOOT))
        peak, trough = ((1 + turn * width) ** (-(delay + later) / width) for later in (0.0, UNDERSHOOT_LATER_S))
        return (peak - undershoot * trough) / (1 - undershoot)
    if kind == "indicator":
        return 1 / (1 + turn * _bounded(shape[0], DECAY_S))
    return torch.ones(len(omega), shape.shape[1], dtype=turn.dtype)


def _model_spectrum(parameters: torch.Tensor, omega: torch.Tensor, kind: str, n_regions: int) -> torch.Tensor:
    """Cross-spectrum (frequency, region, region) of the model, summed over aliases."""
    fitted = _unpacked(parameters, n_regions)
    tau_s = _bounded(fitted.time_constant, ANY_S if kind == "none" else FAST_S)
    turn = 1 + 1j * omega.flatten() * tau_s
    activity = torch.linalg.inv(turn[:, None, None] * torch.eye(n_regions) - fitted.effect)
    seen = _response(omega.flatten(), fitted.shape, kind)[:, :, None] * activity * torch.exp(fitted.power / 2)
    spectrum = (seen @ seen.mH).unflatten(0, omega.shape).sum(0)
    return spectrum + torch.diag(torch.exp(fitted.noise) + LEAST_NOISE)


def _negative_log_likelihood(
    parameters: torch.Tensor, measured: torch.Tensor, omega: torch.Tensor, kind: str
) -> torch.Tensor:
    """Negative log likelihood of one independent value of every frequency with a measured mean cross-spectrum."""
    factor = torch.linalg.cholesky(_model_spectrum(parameters, omega, kind, measured.shape[1]))
    size = 2 * torch.log(factor.diagonal(dim1=1, dim2=2).real).sum()
    return size + torch.cholesky_solve(measured, factor).diagonal(dim1=1, dim2=2).real.sum()


def _negative_log_posterior(
    parameters: torch.Tensor, spectra: MeasuredSpectra, kind: str, start: torch.Tensor
) -> torch.Tensor:
    """Negative log posterior of the parameters; powers have a prior about their start."""
    likelihood = spectra.weight.sum() * _negative_log_likelihood(parameters, spectra.mean(), spectra.omega, kind)
    fitted, expected = (_unpacked(vector, spectra.blocks.shape[-1]) for vector in (parameters, start))
    prior = (
        (fitted.effect**2).sum() / EFFECT_SD**2
        + ((fitted.shape**2).sum() + fitted.time_constant**2) / SHAPE_SD**2
        + ((fitted.power - expected.power) ** 2 + (fitted.noise - expected.noise) ** 2).sum() / POWER_SD**2
    ) / 2
    if float(torch.linalg.eigvals(fitted.effect.detach()).real.max()) > MAX_FEEDBACK:
        prior = prior + FEEDBACK_PENALTY * (torch.linalg.eigvals(fitted.effect).real.max() - MAX_FEEDBACK) ** 2
    return likelihood + prior


def _standard_errors(parameters: torch.Tensor, spectra: MeasuredSpectra, kind: str, start: torch.Tensor) -> Array:
    """Standard errors (parameter,) that allow for errors of the model, from the scores of the blocks of trials."""
    curvature = torch.autograd.functional.hessian(
        lambda values: _negative_log_posterior(values, spectra, kind, start), parameters
    )
    scores = torch.stack(
        [
            weight
            * torch.autograd.functional.jacobian(
                lambda values, block=block: _negative_log_likelihood(values, block, spectra.omega, kind), parameters
            )
            for block, weight in zip(spectra.blocks, spectra.weight, strict=True)
        ]
    )
    scatter = len(scores) * torch.cov(scores.T)
    variance = torch.linalg.solve(curvature, torch.linalg.solve(curvature, scatter).mT).diagonal()
    return np.sqrt(np.where(variance > 0, variance, np.nan))
