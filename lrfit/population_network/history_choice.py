"""Whether units have a spike history of their own: what better predicts held-out trials."""

from __future__ import annotations

from collections.abc import Sequence

from lrfit.population_network.fit import improve, start
from lrfit.population_network.fit_settings import SelfHistory
from lrfit.population_network.held_out import error_of_sum, held_out_nats
from lrfit.population_network.history import with_past
from lrfit.population_network.recording import Recording

MAX_HISTORY_BIN_S = 0.005
"""Longest bin, in seconds, in which a history is tried if the settings leave the choice open.

In longer bins, refractoriness changes the variance of counts rather than the next count."""
HISTORY_ROUNDS = 15
"""Number of rounds of the two fits that are compared."""
MIN_HISTORY_GAIN_NATS = 20.0
"""Smallest gain in held-out log likelihood for which a history is kept, in nats."""
HISTORY_STANDARD_ERRORS = 2.0
"""Smallest gain for which a history is kept, in standard errors over trials."""


def history_gain(
    fitted: Recording, held_out: Recording, dimensions: Sequence[int], tau_s: float | None = None
) -> tuple[float, float]:
    """Compute how much log likelihood held-out trials gain if the network reads the past counts of every unit.

    Parameters
    ----------
    fitted : trials to fit, with spike counts.
    held_out : trials on which the fits with and without a history are compared.
    dimensions : (region,) number of latents of each region.
    tau_s : time constant of the units in seconds; None for a network without a leak.

    Returns
    -------
    The gain in nats, and its standard error over trials.
    """
    nats = []
    for training, test in ((fitted, held_out), (with_past(fitted), with_past(held_out))):
        state = improve(start(training, dimensions, tau_s), training, HISTORY_ROUNDS)
        nats.append(held_out_nats(state.model, test))
    gain = nats[1] - nats[0]
    return float(gain.sum()), float(error_of_sum(gain))


def is_needed(gain: float, error: float) -> bool:
    """Return whether a gain in nats, with its standard error, is large enough to keep the history."""
    return gain >= max(MIN_HISTORY_GAIN_NATS, HISTORY_STANDARD_ERRORS * error)


def is_tried(data: Recording, self_history: SelfHistory) -> bool:
    """Return whether a history is tried: in spike counts, and by default in bins of at most ``MAX_HISTORY_BIN_S``."""
    fine = data.bin_s <= MAX_HISTORY_BIN_S + 1e-9
    return data.indicator_s is None and (self_history is True or (self_history == "auto" and fine))
