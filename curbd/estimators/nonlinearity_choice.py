"""Choice of the nonlinearity of the units by the likelihood of held-out rates.

A network with every candidate is fitted to four fifths of the training trials, and the rates of the other trials are
predicted one bin ahead. All candidates predict the same recorded rates (`curbd.network.likelihood`), so that their
likelihoods can be compared, which forecasts of states or currents cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from curbd.network.likelihood import log_likelihood
from curbd.network.nonlinearity import Nonlinearity, nonlinearity_of, softplus
from curbd.recording.counts import counts_per_rate
from curbd.recording.scaling import LEAST_SCALED_RATE, is_model_activity, rate_scale, scales
from curbd.regression.silent_units import held_out_split, regress_states
from curbd.regression.transitions import TrainingData, transitions
from curbd.settings.models import Model

Array = np.ndarray
SHARPNESSES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Sharpnesses of softplus that are tried on rates of at most 0.8."""
FOLDS_OF_PENALTIES = 5
SILENT_SHARES = (0.2, 0.7)
"""Smallest and largest share of rates that are exactly 0 with which relu is tried by default: with less, tanh and relu
units hardly differ; with more, little is known of the states."""


class NonlinearityChoice(NamedTuple):
    """A chosen nonlinearity.

    Attributes
    ----------
    nonlinearity : the candidate under which held-out rates are most likely.
    nats : name of a nonlinearity -> log likelihood of the held-out rates, in nats, with the best sharpness of softplus.
    """

    nonlinearity: Nonlinearity
    nats: dict[str, float]

    @property
    def gain_nats(self) -> float:
        """Log likelihood of the chosen nonlinearity beyond that of the next one; NaN without another."""
        others = [value for name, value in self.nats.items() if name != self.nonlinearity.name]
        return self.nats[self.nonlinearity.name] - max(others) if others else float("nan")


def candidates(recording: xr.Dataset, model: Model) -> list[Nonlinearity]:
    """List the nonlinearities that can be chosen for a recording.

    Parameters
    ----------
    recording : the recording. Only tanh suits activity that is negative in places.
    model : settings of the model. With ``nonlinearity: auto`` all that suit the recording can be chosen, with
        ``by_silence`` tanh and, if units are silent for much of the time, relu.
    """
    name = model.nonlinearity
    names = ["tanh", "relu", "softplus", "exponential"] if name == "auto" else [name]
    if name == "by_silence":
        names = ["tanh", "relu"] if model.is_plain_regression() and is_often_silent(recording) else ["tanh"]
    if name == "auto" and float(recording["rates"].min()) < 0:
        names = ["tanh"]
    listed: list[Nonlinearity] = []
    for known in names:
        if known == "softplus" and not is_model_activity(recording, known):
            listed += [softplus(sharpness) for sharpness in SHARPNESSES]
        else:
            listed.append(nonlinearity_of(known))
    return listed


def is_often_silent(recording: xr.Dataset) -> bool:
    """Return whether a recording holds continuous rates, neither counts nor smoothed, which are often exactly 0.

    Parameters
    ----------
    recording : the recording; its training trials count.
    """
    if recording.attrs["format"] == "nwb" or float(recording.attrs["smoothing_s"]) > 0:
        return False
    rates = recording["rates"].transpose("trial", "time", "unit").values[recording["split"].values == "train"]
    observed = rates[np.isfinite(rates)]
    if not len(observed) or observed.min() < 0:
        return False
    low, high = SILENT_SHARES
    share = float((observed == 0).mean())
    return low <= share <= high and counts_per_rate(rates, float(recording.attrs["dt_s"])) is None


def choose(recording: xr.Dataset, training: Sequence[TrainingData]) -> NonlinearityChoice:
    """Choose the nonlinearity under which held-out rates are most likely.

    Parameters
    ----------
    recording : the recording, for the scales of its units.
    training : the training trials, scaled for every candidate, with its nonlinearity.

    Returns
    -------
    The chosen nonlinearity, and the likelihoods of all candidates.
    """
    rates = recording["rates"].transpose("trial", "time", "unit").values
    common = scales(rates, recording["split"].values == "train")
    best: dict[str, tuple[float, Nonlinearity]] = {}
    for data in training:
        phi = data.nonlinearity
        # The same precision in the units of the recording for all candidates.
        precision = LEAST_SCALED_RATE * common / rate_scale(recording, phi.name).values
        nats = held_out_nats(data, precision)
        if phi.name not in best or nats > best[phi.name][0]:
            best[phi.name] = nats, phi
    chosen = max(best.values(), key=lambda entry: entry[0])[1]
    return NonlinearityChoice(chosen, {name: nats for name, (nats, _) in best.items()})


def held_out_nats(data: TrainingData, precision: Array) -> float:
    """Fit a network to four fifths of the training trials, and return the log likelihood of the rest, in nats.

    Parameters
    ----------
    data : the training trials.
    precision : (unit,) precision to which the scaled rates are known.
    """
    fitted, tested = held_out_split(data)
    solved = regress_states(fitted, transitions(fitted, FOLDS_OF_PENALTIES), "evidence")
    likely = log_likelihood(
        solved.regression.network, tested.r, tested.u, solved.noise_variance, precision, solved.first_sd
    )
    return float(np.nansum(likely))
