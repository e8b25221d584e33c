"""Regression on inferred states behind noisy rates: expectation-maximisation over states, weights and noise variances.

Noise on the observed rates is noise on the regressors as well as on the targets of a regression. The regression is then
biased, however many trials there are. Here the states x are unknown, and two steps alternate. (E) Draw the states from
their posterior, given the rates, the network and the noise. (M) Solve the block-penalised regression on the drawn
states; the variance of the residuals estimates the variance of the process noise, and the variance of rates minus
tanh(x) the variance of the measurement noise. A draw and its mirror image about the mean paths are used together, so
that draws add the posterior variance to the moments, and no other error (Monte Carlo EM: Wei & Tanner, JASA 1990).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import xarray as xr

from curbd.errors import UserError
from curbd.network.equation import Network, decay, weights
from curbd.network.fit import Fit, Noise, Posterior
from curbd.network.nonlinearity import TANH
from curbd.network.tensors import tensor
from curbd.progress import tracked
from curbd.recording.scaling import observed_rates, silent
from curbd.regression.block_ridge import Regression, posterior, regress
from curbd.regression.evidence import evidence_penalties
from curbd.regression.moments import Moments, moments, squared_error
from curbd.regression.ridge_factors import solved_blocks
from curbd.regression.time_constant_limits import MAX_TAU_SAMPLES
from curbd.regression.transitions import TrainingData, Transitions, as_network, regressors, targets, transitions
from curbd.settings.estimators import OneStep, StateSpace
from curbd.states.indicator import share_kept
from curbd.states.indicator_decay import indicator_decay_s
from curbd.states.infer import LEAST_VARIANCE, amplitude, fitted_noise, noise_of, start_rates
from curbd.states.smoother import Observations, draw, improve, linearise, observations, relative_variance, time_first

Array = np.ndarray
MAX_STEP_FACTOR = 6.0
"""Expectation-maximisation approaches a variance from one side in ever smaller steps. The steps are lengthened by a
factor that grows up to this value."""
STEP_GROWTH = 1.5
"""Growth of the step factor in every round in which a variance changes in the same direction as before."""
MEMORY_ROUNDS = 8
"""Number of rounds over which the lost information is averaged: a single draw has too few degrees of freedom."""
MAX_LOST_SHARE = 0.98
"""Largest share of the information on a direction of weights that counts as lost."""
PENALTY_ROUNDS_PER_DRAW = 2
"""Number of updates of the penalties by the evidence in every round of expectation-maximisation."""


class Drawn(NamedTuple):
    """A draw of the states from their posterior, and its mirror image about the posterior mean.

    Attributes
    ----------
    pairs : transitions of the draw and of the mirror image.
    statistics : second moments of the regression on the draw and on the mirror image.
    """

    pairs: tuple[Transitions, Transitions]
    statistics: tuple[Moments, Moments]

    def mean(self) -> Moments:
        """Average the moments of the draw and of its mirror image."""
        return Moments(*((draw + mirror) / 2 for draw, mirror in zip(*self.statistics, strict=True)))


def noisy_rates(recording: xr.Dataset, options: StateSpace) -> Array:
    """Return scaled rates without clipping, because noise may carry observed rates outside (-1, 1).

    Parameters
    ----------
    recording : the recording of a session, as `curbd.ingest_file` returns it.
    options : options of the estimator, for the kind of noise.

    Returns
    -------
    (trial, time, unit) scaled rates, NaN where missing.

    Raises
    ------
    UserError : the option ``noise: counts`` is set, but the recording was smoothed or was not scaled as spike counts.
    """
    scaling = "counts" if silent(recording) < 0 else "largest"
    if options.noise == "counts" and (scaling != "counts" or recording.attrs["smoothing_s"] > 0):
        raise UserError.at(
            f"recording {recording.attrs['recording']}, noise: counts",
            found=f"scaling: {scaling}, smoothing_s: {recording.attrs['smoothing_s']:g}",
            expected="scaling: counts, smoothing_s: 0",
            todo="set scaling: counts and smoothing_s: 0 in the section of the model, next to `estimator`",
        )
    return observed_rates(recording).values


def state_space(data: TrainingData, options: StateSpace, rng: np.random.Generator) -> Fit:
    """Fit a network together with the noise on the observed rates, by inferring the states behind the rates.

    Parameters
    ----------
    data : the training trials, with rates that are neither clipped nor smoothed. The noise of different bins is
        modelled as independent; smoothing makes it correlated. If the time constant is None, it is estimated.
    options : number of rounds, kind of noise, and decay time of an indicator, which is estimated if it is None.
    rng : random generator for the draws of the states.

    Returns
    -------
    The network, the penalties, the posterior of the weights, and the variances of process noise and measurement noise,
    with which `curbd.states.infer` infers the rates of all trials.
    """
    random = torch.Generator().manual_seed(int(rng.integers(2**63)))
    keep = share_kept(data.dt_s, _indicator_s(data, options))
    divisor = amplitude(data.r, keep) if keep else np.ones(data.r.shape[2])
    observed = observations(data.r, data.u, divisor)
    start = data._replace(r=start_rates(data.r / divisor, keep))
    pairs = transitions(start, OneStep().folds)
    fit = regress(start, pairs)
    x = time_first(np.nan_to_num(TANH.inverse(start.r)))
    images: tuple[torch.Tensor, ...] = (x,)
    noise = _noise(x[None], observed, fit, noise_of(options.noise, x, data.r / divisor, divisor, keep))
    change_before = torch.zeros_like(torch.stack([noise.process, noise.measurement]))
    factor, lost, drawn_before = torch.ones_like(change_before), torch.zeros_like(fit.total.ZZ), None
    for round_index in tracked(range(options.rounds), "rounds of expectation-maximisation"):
        chain = linearise(images, observed, fit.network, noise)
        x, deviation = improve(x, chain), draw(chain, random)
        images = x + deviation, x - deviation
        both = _transitions(images[0], pairs), _transitions(images[1], pairs)
        if data.tau_s is None:
            tau_s = _time_constant(both, fit, noise, data)
            fit = fit._replace(network=fit.network._replace(tau_s=tau_s))
        drawn = Drawn(both, (_moments(both[0], fit.network), _moments(both[1], fit.network)))
        fit = _solved(drawn.mean(), lost, fit, data)
        lost += (_lost(drawn, drawn_before, fit) - lost) / min(round_index + 1, MEMORY_ROUNDS)
        drawn_before = drawn.mean()
        updated = _noise(torch.stack(images), observed, fit, noise)
        variances = torch.stack([noise.process, noise.measurement])
        change = torch.log(torch.stack([updated.process, updated.measurement]) / variances)
        longer = (STEP_GROWTH * factor).clamp_max(MAX_STEP_FACTOR)
        factor = torch.where(change * change_before > 0, longer, torch.ones_like(factor))
        process, measurement = (variances * torch.exp((factor * change).clamp(-1, 1))).clamp_min(LEAST_VARIANCE)
        noise, change_before = updated._replace(process=process, measurement=measurement), change
    relative = (observed.complete * relative_variance(noise, torch.tanh(x))).sum((0, 1)) / observed.complete.sum()
    return Fit(
        fit.network,
        penalty=fit.between_regions,
        posterior=_posterior(fit, drawn, lost, data),
        noise=noise,
        process_noise_sd=noise.process.sqrt().cpu().numpy().astype(float),
        measurement_noise_sd=(noise.amplitude * (noise.measurement * relative).sqrt()).cpu().numpy().astype(float),
    )


def _indicator_s(data: TrainingData, options: StateSpace) -> float:
    """Decay time of the indicator, s, as given or estimated; 0 without an indicator."""
    if options.noise != "calcium":
        return 0.0
    if options.indicator_s is not None:
        return options.indicator_s
    off = data.r - np.nanmean(data.r, (0, 1))
    scale = np.nanstd(off, (0, 1))
    return indicator_decay_s(off / np.where(scale > 0, scale, 1.0), data.dt_s)


def _noise(paths: torch.Tensor, observed: Observations, fit: Regression, kind: Noise) -> Noise:
    """Estimate the variances of process noise and measurement noise from drawn states (draw, time, trial, unit)."""
    network = fit.network
    D = decay(network.dt_s, network.tau_s, network.substeps)
    process = squared_error(fit.total, tensor(weights(network))) / fit.total.n * (1 - D) ** 2
    return fitted_noise(paths, observed, process, kind)


def _transitions(path: torch.Tensor, pairs: Transitions) -> Transitions:
    """Replace the observed states of the transitions by the drawn states (time, trial, unit)."""
    states = path.cpu().numpy().astype(float)
    x = states[pairs.time, pairs.trial]
    return pairs._replace(x=x, x_next=states[pairs.time + 1, pairs.trial], r=np.tanh(x))


def _time_constant(images: tuple[Transitions, Transitions], fit: Regression, noise: Noise, data: TrainingData) -> float:
    """Estimate the time constant, s, under which the drawn states are most likely, with the best weights for it.

    D is the share of a state x that is left after one sample, and x_next - D x is linear in D. With the best weights
    for every D, the most likely D is the coefficient of a regression of x_next on the part of x that the regressors do
    not explain, with each unit weighted by 1 / process noise.
    """
    weight = 1 / noise.process.cpu().numpy()
    across = power = 0.0
    for pairs in images:
        z = regressors(pairs, fit.network)
        W = solved_blocks(moments(z, pairs.x), fit.source, fit.penalty).W
        rest = (pairs.x - z @ W.T) * weight
        across += float((rest * pairs.x_next).sum())
        power += float((rest * pairs.x).sum())
    D = np.clip(across / power, 0.0, 1.0)
    step = data.substeps * (1 - D ** (1 / data.substeps))
    return data.dt_s / float(np.clip(step, 1 / MAX_TAU_SAMPLES, 1.0))


def _moments(pairs: Transitions, network: Network) -> Moments:
    """Compute the second moments of the regression of the currents."""
    y = targets(pairs, network.decay)
    return moments(regressors(pairs, network), y)


def _solved(total: Moments, lost: torch.Tensor, fit: Regression, data: TrainingData) -> Regression:
    """Solve the regression on drawn states, with penalties chosen by the evidence."""
    # Cross-validation is biased here: states that were drawn under a network are predicted best by that network, in
    # held-out trials too.
    gram = _remaining(total.ZZ, lost)
    penalty = evidence_penalties(total, fit.source, fit.penalty, gram=gram, rounds=PENALTY_ROUNDS_PER_DRAW)
    W, determined = solved_blocks(total, fit.source, penalty)
    network = as_network(W, data, fit.network.tau_s)
    return fit._replace(network=network, penalty=penalty, total=total, determined=determined)


def _lost(drawn: Drawn, before: Moments | None, fit: Regression) -> torch.Tensor:
    """Estimate the information on the weights that is lost because states are inferred, to be subtracted from ZZ.

    The score of a draw is (Y - W Z) Z'. The information in the observed data is that in the drawn states, less the
    variance of the score over draws (Louis, J. R. Stat. Soc. B 1982). Half the difference between a draw and its mirror
    image is the part of the score that is odd in the deviation from the mean paths. The even part, which matters where
    the noise is strong, is the difference between the means of draw and mirror image in this round and in the round
    before; whatever still changes from round to round thus counts as unknown. The result is the sum over units, each in
    units of its noise, divided by the number of units.

    Parameters
    ----------
    drawn : the draw of this round.
    before : averaged moments of the draw of the previous round, or None in the first round.
    fit : the regression of this round.

    Returns
    -------
    (regressor, regressor) lost information.
    """
    W = tensor(weights(fit.network))
    noise = (squared_error(fit.total, W) / fit.total.n).clamp_min(LEAST_VARIANCE**2)
    lost = torch.zeros_like(drawn.statistics[0].ZZ)
    for share, first, second in ((1 / 4, *drawn.statistics), (1 / 2, drawn.mean(), before or drawn.mean())):
        score = first.YZ - second.YZ - W @ (first.ZZ - second.ZZ)
        lost += share * (score.mT / noise) @ score / len(W)
    return lost


def _posterior(fit: Regression, drawn: Drawn, lost: torch.Tensor, data: TrainingData) -> Posterior:
    """Compute the posterior of the weights given the observed rates: given the states, less the information lost."""
    given_states = posterior(fit, data, drawn.pairs[0])
    return given_states._replace(gram=_remaining(fit.total.ZZ, lost).cpu().numpy())


def _remaining(gram: torch.Tensor, lost: torch.Tensor) -> torch.Tensor:
    """Subtract lost from gram, with at most the share `MAX_LOST_SHARE` subtracted in any direction."""
    factor = torch.linalg.cholesky(gram)
    inside = torch.linalg.solve_triangular(factor, lost, upper=False)
    share = torch.linalg.solve_triangular(factor, inside.mT, upper=False)
    missing, direction = torch.linalg.eigh((share + share.mT) / 2)
    remaining = direction @ torch.diag(1 - missing.clamp(0, MAX_LOST_SHARE)) @ direction.mT
    return factor @ remaining @ factor.mT
