"""Latencies: by how much the response of a trial is earlier or later than its known sources say.

Known inputs and the average response of each condition are the same in all trials. If an event takes effect sooner in
some trials than in others, all regions respond sooner, and the rest of the response that the known sources do not
follow looks as if one region drove another. Here the known sources of each trial are shifted in time, by a latency that
all regions share. The latency of a trial is the most probable latency under a Gaussian prior, whose width and whose
network are learnt in turn (expectation maximisation; for responses of single trials Woody, Medical and Biological
Engineering 1967).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from lrfit.population_network.fit import LOADINGS_EVERY, Fit, improve
from lrfit.population_network.held_out import SHARED_STEPS, error_of_sum, infer_each
from lrfit.population_network.likelihood import bound
from lrfit.population_network.model import Population
from lrfit.population_network.paths import Paths, first_paths, infer
from lrfit.population_network.recording import Recording

Array = np.ndarray
LONGEST_LATENCY_S = 0.6
"""Longest latency that is tried, in seconds; at most a third of the trial."""
LATENCY_STEP_S = 0.1
"""Distance between the latencies that are tried, in seconds; at least one bin."""
FIRST_LATENCY_SD_S = 0.2
"""Standard deviation of the latencies with which their fit starts, in seconds."""
MAX_ALIGNMENTS = 6
"""Largest number of turns of latencies and network."""
FEW_CHANGES_SHARE = 0.05
"""The turns end when the latencies of no more than this share of trials change."""
ROUNDS_PER_TURN = 10
MIN_LATENCY_GAIN_NATS = 6.0
"""Smallest gain in held-out log likelihood for which latencies count, in nats.

On development teachers without latencies, the rounds with latencies gained at most 1.5 nats."""
MIN_LATENCY_STANDARD_ERRORS = 1.0
"""Smallest gain in held-out log likelihood for which latencies count, in standard errors over trials."""
INFERENCE_STEPS = 2
"""Number of steps of the inference of the latents after the sources were shifted."""


class Aligned(NamedTuple):
    """A network whose known sources are shifted by a latency of each trial.

    Attributes
    ----------
    fit : the network, fitted to the shifted recording.
    data : the recording, whose sources are shifted.
    latency : (trial,) latencies in bins.
    log_prior : (latency,) log probability of each latency of `latencies`.
    """

    fit: Fit
    data: Recording
    latency: Array
    log_prior: Array


def latencies(data: Recording) -> Array:
    """Return the (latency,) latencies that are tried, in bins; 0 alone if there is no known source but the bias.

    Parameters
    ----------
    data : the recording.
    """
    if set(data.source_name) <= {"bias"}:
        return np.zeros(1, int)
    step = max(round(LATENCY_STEP_S / data.bin_s), 1)
    most = min(LONGEST_LATENCY_S / data.bin_s, len(data.inside) / 3)
    return step * np.arange(-int(most // step), int(most // step) + 1)


def shifted(data: Recording, latency: Array) -> Recording:
    """Delay the known sources of each trial; the values in the first and the last bin of the trial fill the rest.

    Parameters
    ----------
    data : the recording.
    latency : (trial,) latencies in bins.
    """
    bins, trials = data.inside.shape
    last = bins - 1 - data.inside[::-1].argmax(0)
    when = np.clip(np.arange(bins)[:, None] - latency, 0, last)
    return data._replace(sources=data.sources[when, np.arange(trials)])


def align(fit: Fit, data: Recording) -> Aligned:
    """Learn the latencies of the trials of a fit, and the network with these latencies.

    Parameters
    ----------
    fit : network fitted without latencies.
    data : the trials of the fit.
    """
    tried = latencies(data)
    state = Aligned(fit, data, np.zeros(len(data.pattern), int), _log_prior(tried, FIRST_LATENCY_SD_S / data.bin_s))
    for _ in range(MAX_ALIGNMENTS):
        score = _nats(state.fit.model, data, state.fit.paths, tried) + state.log_prior[:, None]
        latency = tried[score.argmax(0)]
        if np.mean(latency != state.latency) <= FEW_CHANGES_SHARE:
            break
        aligned = shifted(data, latency)
        posterior = np.exp(score - logsumexp(score, 0))
        sd = float(np.sqrt((posterior * tried[:, None] ** 2).sum(0).mean()))
        state = Aligned(
            fit=improve(state.fit, aligned, ROUNDS_PER_TURN, LOADINGS_EVERY),
            data=aligned,
            latency=latency,
            log_prior=_log_prior(tried, sd),
        )
    return state


def late_nats(aligned: Aligned, data: Recording) -> Array:
    """Compute the (trial,) log likelihood of held-out trials whose latencies are unknown, in nats.

    Parameters
    ----------
    aligned : network fitted with latencies.
    data : held-out trials, without a shift.
    """
    model, log_prior, tried = aligned.fit.model, aligned.log_prior, latencies(data)
    paths = infer(model, data, first_paths(model, data), SHARED_STEPS)
    nats = _nats(model, data, paths, tried)
    best = (nats + log_prior[:, None]).argmax(0)
    all_latencies = logsumexp(nats + log_prior[:, None], 0) - nats[best, np.arange(len(best))]
    return infer_each(model, shifted(data, tried[best])).nats + all_latencies


def are_needed(gain: Array) -> bool:
    """Return whether held-out trials ask for latencies.

    Parameters
    ----------
    gain : (trial,) gain of held-out log likelihood by the latencies, in nats.
    """
    return bool(gain.sum() > max(MIN_LATENCY_GAIN_NATS, MIN_LATENCY_STANDARD_ERRORS * float(error_of_sum(gain))))


def _nats(model: Population, data: Recording, paths: Paths, tried: Array) -> Array:
    """Compute the (latency, trial) log likelihood of each trial with each latency, in nats."""
    nats = []
    for latency in tried:
        late = shifted(data, np.full(len(data.pattern), latency))
        nats.append(bound(model, late, infer(model, late, paths, INFERENCE_STEPS)))
    return np.stack(nats)


def _log_prior(tried: Array, sd: float) -> Array:
    """Return the (latency,) log of a Gaussian prior on the latencies tried, with at least a tenth of a step as sd."""
    least = 0.1 * float(np.diff(tried)[0]) if len(tried) > 1 else 1.0
    log = -0.5 * (tried / max(sd, least)) ** 2
    return log - logsumexp(log)
