"""Number of hidden common drives: as many as improve the prediction of held-out trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lrfit.population_network.fit import LOADINGS_EVERY, Fit, improve, start
from lrfit.population_network.fit_settings import PopulationSettings
from lrfit.population_network.held_out import error_of_sum, held_out_nats
from lrfit.population_network.hidden import with_drive
from lrfit.population_network.recording import Recording

Array = np.ndarray
ROUNDS_BEFORE_DRIVE = 3
"""Number of rounds before a hidden drive is added."""
ROUNDS_WITH_DRIVE = 40
"""Number of rounds after a hidden drive is added."""
FITTED_DRIVE_TAU_S = 0.2
"""Each time constant of a hidden drive, in seconds.

From .1 to .3 s, held-out log likelihoods differ by a tenth of the gain of a drive."""
SLOW_DRIVE_TAU_S = 2.0
"""Each time constant of a drive that stands for a gain of a whole trial, in seconds."""
MIN_DRIVE_GAIN_NATS = 20.0
"""Smallest gain in held-out log likelihood for which a hidden drive is kept, in nats.

On development teachers without a drive, a drive gained at most 4 nats, and 20 nats on one teacher."""


class Driven(NamedTuple):
    """A fit with as many hidden drives as held-out trials ask for.

    Attributes
    ----------
    fit : the fit.
    gains : (drive,) gain in held-out log likelihood of each drive that was tried, in nats; that of a drive that changes
        within a trial if no drive was kept.
    nats : (trial,) held-out log likelihood of the fit, in nats.
    """

    fit: Fit
    gains: Array
    nats: Array


def choose_drives(
    fitted: Recording,
    held_out: Recording,
    dimensions: Sequence[int],
    settings: PopulationSettings,
    curved: bool = True,
) -> Driven:
    """Fit the network with as many hidden drives as improve the prediction of held-out trials.

    A drive is kept if its gain in held-out log likelihood exceeds `MIN_DRIVE_GAIN_NATS` and two standard errors over
    trials. If a drive that changes within a trial is not kept, a drive that hardly changes within a trial is tried.

    Parameters
    ----------
    fitted : trials to fit.
    held_out : trials on which the fits with and without a drive are compared.
    dimensions : (region,) number of latents of each region.
    settings : settings of the fits.
    curved : whether the currents saturate with the latents.

    Returns
    -------
    The fit with the drives that were kept.
    """
    early = improve(start(fitted, dimensions, settings.tau_s, curved, settings.gaussian), fitted, ROUNDS_BEFORE_DRIVE)
    best = improve(early, fitted, ROUNDS_WITH_DRIVE, LOADINGS_EVERY)
    nats = held_out_nats(best.model, held_out)
    gains = []
    for _ in range(settings.max_drives):
        of_kinds = []
        for drive_s in (FITTED_DRIVE_TAU_S, SLOW_DRIVE_TAU_S):
            wider = Fit(*with_drive(*early, fitted, drive_s))
            tried = improve(wider, fitted, ROUNDS_WITH_DRIVE, LOADINGS_EVERY)
            gain = held_out_nats(tried.model, held_out) - nats
            of_kinds.append(float(gain.sum()))
            is_kept = gain.sum() >= max(MIN_DRIVE_GAIN_NATS, 2 * float(error_of_sum(gain)))
            if is_kept:
                early, best, nats = wider, tried, nats + gain
                break
        # The slow changes of a session can gain much by chance in a few trials: they count if they are kept.
        gains.append(of_kinds[-1] if is_kept else of_kinds[0])
        if not is_kept:
            break
    return Driven(fit=best, gains=np.array(gains), nats=nats)
