"""Regression on the states behind noisy rates: expectation-maximisation over the states, the weights and both noises.

Noise on the observed rates is noise on the regressors as well as on the targets, and a regression on them is biased
however many trials there are. Here the states x are unknowns: in turn, (E) draw them from their posterior given the
rates, the network and the noise, (M) solve the block-penalised regression on the drawn states and take the variances
of its residuals (process noise) and of rates minus tanh(x) (measurement noise). A draw and its mirror image about the
mean paths are used together, so that the draws add the posterior variance to the moments and nothing else
(Monte Carlo EM: Wei & Tanner, JASA 1990).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import xarray as xr

from curbd.errors import UserError
from curbd.network.equation import Network, decay, phi_inverse, tensor, weights
from curbd.network.fit import Fit, Noise, Posterior
from curbd.recording.scaling import observed_rates, silent
from curbd.regression.block_ridge import Regression, posterior, regress
from curbd.regression.evidence import evidence_penalties
from curbd.regression.moments import Moments, moments, solve_blocks, squared_error
from curbd.regression.transitions import TrainingData, Transitions, as_network, regressors, targets, transitions
from curbd.settings.models import OneStep, StateSpace
from curbd.states.infer import SMALLEST, amplitude, fitted_noise, noise_of, start_rates
from curbd.states.smoother import Seen, draw, improve, linearise, relative_variance, seen, time_first

Array = np.ndarray
FASTEST = 6.0
"""EM approaches a variance in ever smaller steps from one side; they are lengthened up to this factor."""
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


def noisy_rates(recording: xr.Dataset, options: StateSpace) -> Array:
    """(trial, time, unit) scaled rates as they were observed: noise may carry them beyond (-1, 1). NaN where missing.

    Raises
    ------
    UserError : ``noise: counts`` is asked for, and the recording was smoothed, or not scaled as spike counts.
    """
    scaling = "counts" if silent(recording) < 0 else "largest"
    if options.noise == "counts" and (scaling != "counts" or recording.attrs["smoothing_s"] > 0):
        raise UserError.at(
            f"recording {recording.attrs['recording']}, noise: counts",
            found=f"scaling: {scaling}, smoothing_s: {recording.attrs['smoothing_s']:g}",
            expected="scaling: counts, smoothing_s: 0",
            todo="give the model both keys, next to its estimator",
        )
    return observed_rates(recording).values


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
    keep = 0.0 if options.indicator_s is None else float(np.exp(-data.dt_s / options.indicator_s))
    divisor = amplitude(data.r, keep) if keep else np.ones(data.r.shape[2])
    observed = seen(data.r, data.u, divisor)
    start = data._replace(r=start_rates(data.r / divisor, keep))
    pairs = transitions(start, OneStep().folds)
    fit = regress(start, pairs)
    x = time_first(np.nan_to_num(phi_inverse(start.r)))
    images: tuple[torch.Tensor, ...] = (x,)
    noise = _noise(x[None], observed, fit, noise_of(options.noise, x, data.r / divisor, divisor, keep))
    before = torch.zeros_like(torch.stack([noise.process, noise.measurement]))
    pace, lost, last = torch.ones_like(before), torch.zeros_like(fit.total.ZZ), None
    for number in range(options.rounds):
        chain = linearise(images, observed, fit.network, noise)
        x, away = improve(x, chain), draw(chain, random)
        images = x + away, x - away
        both = _transitions(images[0], pairs), _transitions(images[1], pairs)
        if data.tau_s is None:
            tau_s = _time_constant(both, fit, noise, data)
            fit = fit._replace(network=fit.network._replace(tau_s=tau_s))
        drawn = Drawn(both, (_moments(both[0], fit.network), _moments(both[1], fit.network)))
        fit = _solved(drawn.mean(), lost, fit, data)
        lost += (_lost(drawn, last, fit) - lost) / min(number + 1, MEMORY)
        last = drawn.mean()
        fresh = _noise(torch.stack(images), observed, fit, noise)
        old = torch.stack([noise.process, noise.measurement])
        change = torch.log(torch.stack([fresh.process, fresh.measurement]) / old)
        pace = torch.where(change * before > 0, (1.5 * pace).clamp_max(FASTEST), torch.ones_like(pace))
        process, measurement = (old * torch.exp((pace * change).clamp(-1, 1))).clamp_min(SMALLEST)
        noise, before = fresh._replace(process=process, measurement=measurement), change
    relative = (observed.known * relative_variance(noise, torch.tanh(x))).sum((0, 1)) / observed.known.sum()
    return Fit(
        fit.network,
        fit.between_regions,
        _posterior(fit, drawn, lost, data),
        noise=noise,
        process_noise_sd=noise.process.sqrt().cpu().numpy().astype(float),
        measurement_noise_sd=(noise.amplitude * (noise.measurement * relative).sqrt()).cpu().numpy().astype(float),
    )


def _noise(paths: torch.Tensor, observed: Seen, fit: Regression, kind: Noise) -> Noise:
    """Variances of both noises over the paths (draw, time, trial, unit)."""
    network = fit.network
    D = decay(network.dt_s, network.tau_s, network.substeps)
    process = squared_error(fit.total, tensor(weights(network))) / fit.total.n * (1 - D) ** 2
    return fitted_noise(paths, observed, process, kind)


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
        known = solve_blocks(moments(z, pairs.x), fit.source, fit.penalty)
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
    penalty = evidence_penalties(total, fit.source, fit.penalty, gram=_seen_gram(total.ZZ, lost), rounds=2)
    W = solve_blocks(total, fit.source, penalty)
    return fit._replace(network=as_network(W, data, fit.network.tau_s), penalty=penalty, total=total)


def _lost(drawn: Drawn, before: Moments | None, fit: Regression) -> torch.Tensor:
    """Information on the weights that the noise took, as a part of ZZ: the scatter of the score over draws.

    The score of a draw is (Y - W Z) Z'. What was really seen tells as much as the drawn states would, less the
    variance of their score (Louis, J. R. Stat. Soc. B 1982). Half the difference of a draw from its mirror image is
    the part that is odd in the deviation; the even part, which counts where the noise is strong, is that by which the
    mean of both differs from the one of the round before. What still moves from round to round is thus counted as
    unknown. Pooled over units, each in units of its noise.
    """
    W = tensor(weights(fit.network))
    noise = (squared_error(fit.total, W) / fit.total.n).clamp_min(SMALLEST**2)
    lost = torch.zeros_like(drawn.parts[0].ZZ)
    for share, one, other in ((1 / 4, *drawn.parts), (1 / 2, drawn.mean(), before or drawn.mean())):
        score = one.YZ - other.YZ - W @ (one.ZZ - other.ZZ)
        lost += share * (score.mT / noise) @ score / len(W)
    return lost


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
