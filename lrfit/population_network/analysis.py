"""The whole analysis of a recording: dimensions, hidden drives, fit, verdicts, currents and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lrfit.population_network.currents import Currents, currents, deviation
from lrfit.population_network.dimensions import Dimensions, choose_dimensions
from lrfit.population_network.echo import Echo, estimate_echo
from lrfit.population_network.evidence import posterior_covariance
from lrfit.population_network.fit import Fit, converge, restart
from lrfit.population_network.fit_settings import DEFAULT_SETTINGS, PopulationSettings
from lrfit.population_network.form_choice import choose_form
from lrfit.population_network.hidden import drive_tau_s
from lrfit.population_network.history import as_read, with_past
from lrfit.population_network.history_choice import history_gain, is_needed, is_tried
from lrfit.population_network.recording import Recording, split
from lrfit.population_network.verdict import Verdict, verdict

Array = np.ndarray


class Analysis(NamedTuple):
    """Results of the analysis of one recording.

    Attributes
    ----------
    fit : the network fitted to all trials.
    dimensions, history_gain, curved_gain, drive_gains, verdict : what held-out trials say about the network, as in
        `Trained`.
    currents : currents of all trials by source.
    deviation : (region, trial, time, unit) posterior standard deviation of the current that each region sends to each
        unit, in units of the log rate.
    echo : echo of the activity of each region in its units.
    """

    fit: Fit
    dimensions: Dimensions
    history_gain: float
    curved_gain: float
    drive_gains: Array
    verdict: Verdict
    currents: Currents
    deviation: Array
    echo: Echo


class Trained(NamedTuple):
    """A network fitted to the training trials, and what held-out trials say about it.

    Attributes
    ----------
    fit : the network fitted to the training trials.
    dimensions : numbers of latents of all regions; if the numbers were given, they have no range and no scores.
    history_gain : held-out log likelihood that the own spike history of units gains, in nats; NaN if no history was
        tried. The fit has a history if held-out trials or the settings ask for one.
    curved_gain : held-out log likelihood that a curved network gains over a linear network, in nats. The fit is curved
        if this number is positive.
    drive_gains : (drive,) gain in held-out log likelihood, in nats, of each hidden drive that was tried. The fit
        contains only the drives that were kept.
    common_nats : gain of all drives that were tried, whether or not they were kept, in nats.
    verdict : verdict on every pathway between regions.
    """

    fit: Fit
    dimensions: Dimensions
    history_gain: float
    curved_gain: float
    drive_gains: Array
    common_nats: float
    verdict: Verdict


def train(
    fitted: Recording,
    held_out: Recording,
    dimensions: Sequence[int] | None = None,
    settings: PopulationSettings = DEFAULT_SETTINGS,
) -> Trained:
    """Fit a population network to the training trials, and judge every pathway between its regions.

    Parameters
    ----------
    fitted : the training trials.
    held_out : the held-out trials.
    dimensions : (region,) number of latents of each region; None to choose the numbers on held-out trials.
    settings : settings of the fits.

    Returns
    -------
    The fit with its numbers of latents and drives and its form, and the verdicts.
    """
    given = _given_dimensions(fitted, dimensions)
    chosen = given or choose_dimensions(fitted, held_out, settings)
    gain = float("nan")
    if not settings.gaussian and is_tried(fitted, settings.self_history):
        gain, error = history_gain(fitted, held_out, chosen.number, settings.tau_s)
        if settings.self_history is True or is_needed(gain, error):
            fitted, held_out = with_past(fitted), with_past(held_out)
    formed = choose_form(fitted, held_out, chosen.number, settings)
    drives = drive_tau_s(formed.fit.model, fitted.bin_s).tolist()
    if given is None and drives:
        # Without the drive, a region may have got a latent that follows the drive.
        driven = choose_dimensions(fitted, held_out, settings, drives_tau_s=drives)
        if driven.number != chosen.number:
            formed = choose_form(fitted, held_out, driven.number, settings)
        chosen = driven
    state = converge(formed.fit, fitted)
    return Trained(
        fit=state,
        dimensions=chosen,
        history_gain=gain,
        curved_gain=formed.curved_gain,
        drive_gains=formed.drive_gains,
        common_nats=formed.common_nats,
        verdict=verdict(state, fitted, held_out, formed.common_nats, chosen.suffice),
    )


def _given_dimensions(fitted: Recording, dimensions: Sequence[int] | None) -> Dimensions | None:
    """The numbers of latents (region,) that need no choice; None if they are to be chosen."""
    n_units = np.bincount(fitted.region)
    if dimensions is None and n_units.max() <= 2:
        # One or two units allow one latent.
        dimensions = [1] * len(n_units)
    if dimensions is None:
        return None
    return Dimensions(number=list(dimensions), low=[], high=[], co_smoothing=np.zeros((0, len(dimensions))))


def analyse(
    data: Recording,
    dimensions: Sequence[int] | None = None,
    settings: PopulationSettings = DEFAULT_SETTINGS,
    test: Array | None = None,
) -> Analysis:
    """Fit a population network to a recording, and judge every pathway between its regions.

    Verdicts rest on a fit to the training trials. Currents and intervals come from a fit to all trials.

    Parameters
    ----------
    data : the recording.
    dimensions : (region,) number of latents of each region; None to choose the numbers on held-out trials.
    settings : settings of the fits.
    test : (trial,) True for the trials to hold out; None to hold out every fifth trial of each condition.

    Returns
    -------
    The fit with its currents, intervals and verdicts.
    """
    trained = train(*split(data, test), dimensions, settings)
    data = as_read(trained.fit.model, data)
    final = converge(restart(trained.fit, data), data)
    covariance = posterior_covariance(final, data)
    echo = estimate_echo(final.model, data, final.paths)
    return Analysis(
        fit=final,
        dimensions=trained.dimensions,
        history_gain=trained.history_gain,
        curved_gain=trained.curved_gain,
        drive_gains=trained.drive_gains,
        verdict=trained.verdict,
        currents=currents(final.model, data, final.paths, echo),
        deviation=np.stack(
            [
                deviation(final.model, data, final.paths, covariance, region, echo)
                for region in range(final.model.regions)
            ]
        ),
        echo=echo,
    )
