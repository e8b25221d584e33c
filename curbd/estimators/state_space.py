"""Regression on the states behind noisy rates: expectation-maximisation over the states, the weights and both noises.

Noise on the observed rates is noise on the regressors as well as on the targets, and a regression on them is biased
however many trials there are. Here the states x are unknowns: in turn, (E) draw them from their posterior given the
rates, the network and the noise, (M) solve the block-penalised regression on the drawn states and take the variances
of its residuals (process noise) and of rates minus tanh(x) (measurement noise). A draw and its mirror image about the
most probable paths are used together, so that the draws add the posterior variance to the moments and nothing else
(Monte Carlo EM: Wei & Tanner, JASA 1990).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from curbd.config import OneStep, StateSpace
from curbd.ensemble import Fit, Posterior
from curbd.estimators.evidence import evidence_penalties
from curbd.estimators.one_step import Regression, posterior, regress
from curbd.estimators.regression import Moments, moments, solve_blocks, squared_error
from curbd.estimators.smoother import Noise, Seen, draw, improve, relative_variance, seen, time_first
from curbd.estimators.transitions import TrainingData, Transitions, as_network, regressors, targets, transitions
from curbd.network import Network, decay, phi_inverse, tensor

Array = np.ndarray
WIDTHS = 0.5 * 2.0 ** np.arange(6)
"""Standard deviations, in samples, of the Gaussians that are tried for the start."""
INSIDE = 0.999
"""Smoothed rates start this far inside (-1, 1)."""
FASTEST = 6.0
"""EM approaches a variance in ever smaller steps from one side; they are lengthened up to this factor."""
SMALLEST = 1e-7
"""Smallest variances: below, the rounding of the paths shows."""
LEAST_RATE = 0.02
"""Spike counts: the variance of a silent bin, as a share of the unit's mean variance."""


LOOSE = 0.01
"""Added to the variance of the first states, so that a single trial's start is free to move."""
SETTLED = 6
"""Gauss-Newton steps from smoothed rates to the most probable paths."""
LONGEST = 100
"""Longest time constant, in samples, where it is estimated; the shortest is one sample."""
MEMORY = 8
"""Rounds over which the information lost is averaged: one draw alone has too few degrees of freedom."""
MOST_LOST = 0.98
"""Largest share of the information on a direction of weights that counts as lost."""


class Drawn(NamedTuple):
    """Transitions of a draw and of its mirror image, and the statistics of each."""

    pairs: tuple[Transitions, Transitions]
    parts: tuple[Moments, Moments]

    def mean(self) -> Moments:
        """Statistics of one data set, the two images weighing one half each."""
        return Moments(*((one + other) / 2 for one, other in zip(*self.parts, strict=True)))


def state_space(data: TrainingData, options: StateSpace, rng: np.random.Generator) -> Fit:
    """Fit the network together with the measurement noise of the rates.

    Parameters
    ----------
    data : rates as they were observed; smoothed ones have noise that neighbouring bins share, which is not modelled.
    options : number of rounds, kind of noise.
    rng : of the draws.

    Returns
    -------
    The network (with its time constant where that is not given), the penalties, the posterior of the weights, and the
    standard deviations of both noises.
    """
    random = torch.Generator().manual_seed(int(rng.integers(2**63)))
    observed = seen(data.r, data.u)
    start = data._replace(r=np.clip(smoothed(data.r), -INSIDE, INSIDE))
    fit = regress(start, OneStep().folds)
    pairs = transitions(start)
    x = time_first(np.nan_to_num(phi_inverse(start.r)))
    noise = _noise(x[None], observed, fit, _kind(x, data.r, options.noise))
    before = torch.zeros_like(torch.stack([noise.process, noise.measurement]))
    pace, lost = torch.ones_like(before), torch.zeros_like(fit.total.ZZ)
    for number in range(options.rounds):
        x = improve(x, observed, fit.network, noise)
        away = draw(x, observed, fit.network, noise, random)
        images = _transitions(x + away, pairs), _transitions(x - away, pairs)
        if data.tau_s is None:
            tau_s = _time_constant(images, fit, noise, data)
            fit = fit._replace(network=fit.network._replace(tau_s=tau_s))
        drawn = Drawn(images, (_moments(images[0], fit.network), _moments(images[1], fit.network)))
        fit = _solved(drawn.mean(), lost, fit, data)
        lost += (_lost(drawn, fit) - lost) / min(number + 1, MEMORY)
        fresh = _noise(torch.stack([x + away, x - away]), observed, fit, noise)
        old = torch.stack([noise.process, noise.measurement])
        change = torch.log(torch.stack([fresh.process, fresh.measurement]) / old)
        pace = torch.where(change * before > 0, (1.5 * pace).clamp_max(FASTEST), torch.ones_like(pace))
        process, measurement = (old * torch.exp((pace * change).clamp(-1, 1))).clamp_min(SMALLEST)
        noise, before = fresh._replace(process=process, measurement=measurement), change
    variance = noise.measurement * _mean_variance(torch.tanh(x), observed, noise)
    return Fit(
        fit.network,
        fit.penalty,
        _posterior(fit, drawn, lost, data),
        process_noise_sd=noise.process.sqrt().cpu().numpy().astype(float),
        measurement_noise_sd=variance.sqrt().cpu().numpy().astype(float),
    )


def inferred_rates(
    r: Array, u: Array, network: Network, process_noise_sd: Array, measurement_noise_sd: Array, kind: str = "constant"
) -> Array:
    """Most probable rates tanh(x) behind the observed ones, in training and other trials alike.

    Currents are J times these: those at the observed rates also hold J times the noise.

    Parameters
    ----------
    r : (trial, time, unit) observed scaled rates, NaN where missing.
    u : (trial, time, input) inputs of the network.
    network, process_noise_sd, measurement_noise_sd : as they were fitted; the deviations are (unit,).
    kind : ``constant`` or ``counts``, as in the options of the estimator.

    Returns
    -------
    (trial, time, unit), NaN in every bin in which a unit was not observed.
    """
    observed = seen(r, u)
    x = time_first(np.nan_to_num(phi_inverse(np.clip(smoothed(r), -INSIDE, INSIDE))))
    noise = _kind(x, r, kind)
    noise = noise._replace(
        process=tensor(process_noise_sd**2).to(x.dtype).clamp_min(SMALLEST),
        measurement=tensor(measurement_noise_sd**2).to(x.dtype) / _mean_variance(torch.tanh(x), observed, noise),
        start_mean=x[0].mean(0),
        start_variance=x[0].var(0, correction=0) + LOOSE,
    )
    for _ in range(SETTLED):
        x = improve(x, observed, network, noise)
    inferred = np.moveaxis(torch.tanh(x).cpu().numpy().astype(float), 0, 1)
    return np.where(np.moveaxis(observed.known.cpu().numpy() > 0, 0, 1), inferred, np.nan)


def smoothed(r: Array) -> Array:
    """Rates (trial, time, unit) smoothed by the Gaussian that best predicts every sample from the others.

    One width for all units: the smallest leave-one-out error as a share of the units' variances. NaN stays NaN.
    """
    known = np.isfinite(r)
    power = np.nanvar(r, axis=(0, 1)) + 1e-12
    impulse = np.zeros(int(10 * WIDTHS[-1]) + 1)
    impulse[len(impulse) // 2] = 1
    best, least = r, np.inf
    for width in WIDTHS:
        total = gaussian_filter1d(np.where(known, r, 0.0), width, axis=1, mode="constant")
        share = gaussian_filter1d(known.astype(float), width, axis=1, mode="constant")
        smooth = total / np.where(known, share, np.nan)
        own = gaussian_filter1d(impulse, width).max() / np.where(known, share, np.nan)
        # A sample without neighbours predicts itself: it tells nothing about the width.
        missed = np.where(own < 0.999, (r - smooth) / (1 - np.minimum(own, 0.999)), np.nan)
        error = float((np.nanmean(missed**2, axis=(0, 1)) / power).mean())
        if error < least:
            best, least = smooth, error
    return best


def _kind(x: torch.Tensor, r: Array, kind: str) -> Noise:
    """Noise of a kind for the paths x (time, trial, unit) and the observed r (trial, time, unit); all variances 1."""
    unit = torch.ones(x.shape[2], dtype=x.dtype, device=x.device)
    silent, least = None, 0 * unit
    if kind == "counts":
        lowest = np.nanmin(r, axis=(0, 1))
        silent = tensor(lowest).to(x.dtype)
        least = tensor(LEAST_RATE * (np.nanmean(r, axis=(0, 1)) - lowest)).to(x.dtype).clamp_min(SMALLEST)
    return Noise(unit, unit, silent, least, 0 * unit, unit)


def _mean_variance(r: torch.Tensor, observed: Seen, noise: Noise) -> torch.Tensor:
    """(unit,) mean over the observed bins of the variance at the rates r, over ``noise.measurement``."""
    return (observed.known * relative_variance(noise, r)).sum((0, 1)) / observed.known.sum()


def _noise(paths: torch.Tensor, observed: Seen, fit: Regression, kind: Noise) -> Noise:
    """Variances of both noises over the paths (draw, time, trial, unit)."""
    network = fit.network
    D = decay(network.dt_s, network.tau_s, network.substeps)
    process = squared_error(fit.total, tensor(_weights(network))) / fit.total.n * (1 - D) ** 2
    r = torch.tanh(paths)
    missed = (observed.known * (observed.r - r) ** 2 / relative_variance(kind, r)).sum((0, 1, 2))
    return kind._replace(
        process=process.to(paths.dtype).clamp_min(SMALLEST),
        measurement=(missed / (len(paths) * observed.known.sum())).clamp_min(SMALLEST),
        start_mean=paths[:, 0].mean((0, 1)),
        start_variance=paths[:, 0].var((0, 1), correction=0) + LOOSE,
    )


def _transitions(path: torch.Tensor, pairs: Transitions) -> Transitions:
    """The same transitions with the states (time, trial, unit) of a draw."""
    states = path.cpu().numpy().astype(float)
    now, then = states[pairs.time, pairs.trial], states[pairs.time + 1, pairs.trial]
    return pairs._replace(x=now, x_next=then, r=np.tanh(now))


def _time_constant(images: tuple[Transitions, Transitions], fit: Regression, noise: Noise, data: TrainingData) -> float:
    """Time constant that makes the drawn states most likely, the weights following it.

    x_next - D x is linear in D: with the weights profiled out, D is a regression of x_next on what the regressors
    leave of x, each unit weighted by its process noise.
    """
    weight = 1 / noise.process.cpu().numpy()
    across = power = 0.0
    for pairs in images:
        z = regressors(pairs, fit.network)
        known = solve_blocks(moments(z, pairs.x), data.region, fit.penalty, fit.input_power)
        rest = (pairs.x - z @ known.T) * weight
        across += float((rest * pairs.x_next).sum())
        power += float((rest * pairs.x).sum())
    left = np.clip(across / power, 0.0, 1.0)
    step = data.substeps * (1 - left ** (1 / data.substeps))
    return data.dt_s / float(np.clip(step, 1 / LONGEST, 1.0))


def _moments(pairs: Transitions, network: Network) -> Moments:
    y = targets(pairs, network.dt_s, network.tau_s, network.substeps)
    return moments(regressors(pairs, network), y)


def _solved(total: Moments, lost: torch.Tensor, fit: Regression, data: TrainingData) -> Regression:
    # Cross-validation would not do: a state drawn in the light of a network is predicted best by that network, in
    # held-out trials too.
    penalty = evidence_penalties(
        total, data.region, fit.penalty, fit.input_power, gram=_seen_gram(total.ZZ, lost), rounds=2
    )
    W = solve_blocks(total, data.region, penalty, fit.input_power)
    return fit._replace(network=as_network(W, data, fit.network.tau_s), penalty=penalty, total=total)


def _lost(drawn: Drawn, fit: Regression) -> torch.Tensor:
    """Information on the weights that the noise took, as a part of ZZ: the scatter of the score over draws.

    The score of a draw is (Y - W Z) Z'; half its difference from the mirror image is free of the mean. What was
    really seen tells as much as the drawn states would, less the variance of their score (Louis, J. R. Stat. Soc. B
    1982). Pooled over units, each in units of its noise.
    """
    one, other = drawn.parts
    W = tensor(_weights(fit.network))
    score = (one.YZ - other.YZ - W @ (one.ZZ - other.ZZ)) / 2
    noise = squared_error(fit.total, W) / fit.total.n
    return (score.mT / noise.clamp_min(SMALLEST**2)) @ score / len(score)


def _posterior(fit: Regression, drawn: Drawn, lost: torch.Tensor, data: TrainingData) -> Posterior:
    """Posterior of the weights given what was seen: that on the drawn states, less the information lost."""
    known = posterior(fit, data, drawn.pairs[0])
    return known._replace(gram=_seen_gram(fit.total.ZZ, lost).cpu().numpy())


def _seen_gram(gram: torch.Tensor, lost: torch.Tensor) -> torch.Tensor:
    """gram - lost, with at most the share MOST_LOST taken from any direction."""
    factor = torch.linalg.cholesky(gram)
    inside = torch.linalg.solve_triangular(factor, lost, upper=False)
    share = torch.linalg.solve_triangular(factor, inside.mT, upper=False)
    missing, direction = torch.linalg.eigh((share + share.mT) / 2)
    left = direction @ torch.diag(1 - missing.clamp(0, MOST_LOST)) @ direction.mT
    return factor @ left @ factor.mT


def _weights(network: Network) -> Array:
    return np.concatenate([network.J, network.B, network.b[:, None]], axis=1)
