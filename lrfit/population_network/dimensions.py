"""Number of latents of each region: the numbers that best predict held-out units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lrfit.population_network.drive_choice import ROUNDS_BEFORE_DRIVE
from lrfit.population_network.fit import Fit, improve, start
from lrfit.population_network.fit_settings import PopulationSettings
from lrfit.population_network.held_out import each_alone, error_of_sum, infer_each
from lrfit.population_network.hidden import with_drive
from lrfit.population_network.history import expected_unseen
from lrfit.population_network.observation import log_likelihood
from lrfit.population_network.recording import HELD_OUT_FOLD, Recording, hide

Array = np.ndarray
ROUNDS_TO_COMPARE = 15
"""Number of rounds of each fit that compares numbers of latents."""
NEGLIGIBLE_GAIN_SHARE = 0.125
"""Largest share of the gain over one latent that the number of latents that suits all regions may lack."""
SMALL_GAIN_SHARE = 0.025
"""Largest share of the gain over one latent that a latent beyond the largest number tried may add.

On development teachers (seeds 100 to 102) with five latents, a sixth latent added at most .012; in areas of chaotic
units, at least .05."""
RANGE_STANDARD_ERRORS = 2.0
"""A number of latents is as good as the best if its score is worse by at most this number of standard errors."""
CLEAR_STANDARD_ERRORS = 3.0
"""A region gets a number of latents of its own if one latent less is worse by more standard errors than this."""


class Dimensions(NamedTuple):
    """Numbers of latents of all regions.

    Attributes
    ----------
    number : (region,) chosen numbers of latents.
    low, high : (region,) smallest and largest number whose held-out score is within two standard errors over trials of
        the best score of the region, or the chosen number where that is smaller or larger.
    co_smoothing : (candidate, region) mean log likelihood per trial of the hidden units, in nats.
    suffice : False if one latent more than the largest number that was tried still predicts hidden units clearly
        better; True if the numbers were given.
    """

    number: list[int]
    low: list[int]
    high: list[int]
    co_smoothing: Array
    suffice: bool = True


def co_smoothing(fit: Fit, data: Recording) -> Array:
    """Compute the (trial, region) log likelihood, in nats, of hidden units given all other units.

    Every fifth unit of each region is hidden. The method is co-smoothing (Macke et al., NeurIPS 2011).

    Parameters
    ----------
    fit : the network.
    data : trials that were not used in the fit.
    """
    regions = fit.model.regions
    score = np.zeros((data.inside.shape[1], regions))
    out = np.concatenate(
        [np.flatnonzero(data.region == region)[HELD_OUT_FOLD // 2 :: HELD_OUT_FOLD] for region in range(regions)]
    )
    seen = hide(data, out)
    paths = infer_each(fit.model, seen).paths
    rate = expected_unseen(fit.model, each_alone(data), paths.mean, paths.covariance)
    nats = log_likelihood(fit.model, data, rate)
    for region in range(regions):
        score[:, region] = nats[..., out[data.region[out] == region]].sum((0, 2))
    return score


def choose_dimensions(
    fitted: Recording,
    held_out: Recording,
    settings: PopulationSettings,
    drives_tau_s: Sequence[float] = (),
) -> Dimensions:
    """Choose the number of latents of every region by co-smoothing.

    Numbers are tried in increasing order until the log likelihood summed over regions no longer rises. A region gets
    the smallest number whose log likelihood is within two standard errors of the best, if one latent less is worse by
    more than three standard errors. The other regions, whose units say too little, get the number that suits all
    regions: the smallest number whose summed log likelihood falls short of the best by at most an eighth of the gain
    over the smallest candidate, or by at most two standard errors. Missing latents cost more than superfluous latents.
    If the log likelihood rises up to the largest candidate, one latent more is tried, which tells whether there are
    enough.

    Parameters
    ----------
    fitted : trials to fit.
    held_out : trials on which candidates are compared.
    settings : settings of the fits; numbers of latents up to `max_dimensions` are tried.
    drives_tau_s : (drive,) time constants of the hidden drives of the networks that are compared, in seconds.

    Returns
    -------
    The numbers of latents with their ranges, and the scores of all candidates.
    """
    units = np.bincount(fitted.region, minlength=int(fitted.region.max()) + 1)
    candidates = range(1, settings.max_dimensions + 1)

    def score(candidate: int) -> Array:
        sizes = [min(candidate, max(int(count) - 1, 1)) for count in units]
        state = start(fitted, sizes, settings.tau_s, gaussian=settings.gaussian)
        if len(drives_tau_s):
            state = improve(state, fitted, ROUNDS_BEFORE_DRIVE)
        for drive_s in drives_tau_s:
            state = Fit(*with_drive(*state, fitted, drive_s))
        return co_smoothing(improve(state, fitted, ROUNDS_TO_COMPARE), held_out)

    scores: list[Array] = []
    suffice = True
    for candidate in candidates:
        scores.append(score(candidate))
        if len(scores) > 1 and scores[-1].sum() < scores[-2].sum():
            break
    else:
        suffice = len(scores) == 1 or not _is_better(score(candidates[-1] + 1), scores)
    table = np.stack(scores)
    common = _common(table.sum(2))
    chosen = []
    for region, count in enumerate(units):
        places = _own(table[:, :, region], common)
        chosen.append([min(candidates[place], max(int(count) - 1, 1)) for place in places])
    number, low, high = np.transpose(chosen).tolist()
    return Dimensions(
        number=number,
        low=low,
        high=high,
        co_smoothing=table.mean(1),
        suffice=suffice,
    )


def _is_better(more: Array, scores: Sequence[Array]) -> bool:
    """Whether one latent more, with the scores (trial, region), is clearly better than the last of the candidates."""
    gain = (more - scores[-1]).sum(1)
    clear = max(SMALL_GAIN_SHARE * (more - scores[0]).sum(), RANGE_STANDARD_ERRORS * float(error_of_sum(gain)))
    return bool(gain.sum() > clear)


def _common(whole: Array) -> int:
    """Return the index of the candidate that suits all regions, from scores (candidate, trial) summed over regions."""
    behind = whole[whole.sum(1).argmax()] - whole
    allowed = np.maximum(NEGLIGIBLE_GAIN_SHARE * behind[0].sum(), RANGE_STANDARD_ERRORS * error_of_sum(behind))
    return int(np.flatnonzero(behind.sum(1) <= allowed)[0])


def _own(score: Array, common: int) -> tuple[int, int, int]:
    """Return the indices of a region's candidate, and of the smallest and the largest candidate of its range.

    Parameters
    ----------
    score : (candidate, trial) log likelihood of the hidden units of the region.
    common : index of the candidate that suits all regions.
    """
    behind = score[score.sum(1).argmax()] - score
    error = error_of_sum(behind)
    close = np.flatnonzero(behind.sum(1) <= RANGE_STANDARD_ERRORS * error)
    least = int(close[0])
    clear = least > 0 and behind[least - 1].sum() > CLEAR_STANDARD_ERRORS * error[least - 1]
    chosen = least if clear else common
    return chosen, min(least, chosen), max(int(close[-1]), chosen)
