"""How many latents a region has, and how many hidden drives there are: what predicts held-out trials best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lrfit.population_network.fit import LOADINGS_EVERY, Fit, improve, start
from lrfit.population_network.hidden import with_drive
from lrfit.population_network.likelihood import HELD_OUT_STEPS, held_out_nats
from lrfit.population_network.observation import expected, log_likelihood
from lrfit.population_network.paths import first_paths, infer
from lrfit.population_network.recording import Recording, hide, subset

Array = np.ndarray
ROUNDS_TO_COMPARE = 15
ROUNDS_BEFORE_DRIVE = 3
ROUNDS_WITH_DRIVE = 40
SMALL_GAIN = 0.125
"""Share of the gain over one latent that may be left to larger candidates."""
HELD_OUT_FOLD = 5
"""One trial in so many is held out, and one unit of each region in co-smoothing."""
DRIVE_TAU_S = 0.2
"""Each time constant of a hidden drive; from .1 to .3 s held-out nats differ by a tenth of what a drive gains."""
LEAST_GAIN_NATS = 20.0
"""Held-out nats that a hidden drive must gain; on development teachers without a drive it gained 4 at most, once 20."""


def split(data: Recording) -> tuple[Recording, Recording]:
    """Trials to fit and trials to compare on, every fifth of each condition."""
    place = np.zeros(len(data.condition), int)
    for condition in range(data.condition.max() + 1):
        chosen = data.condition == condition
        place[chosen] = np.arange(chosen.sum())
    out = place % HELD_OUT_FOLD == HELD_OUT_FOLD - 1
    return subset(data, np.flatnonzero(~out)), subset(data, np.flatnonzero(out))


def co_smoothing(fit: Fit, data: Recording) -> Array:
    """(trial, region) log likelihood of hidden units given all others, in trials that had no part in the fit."""
    regions = fit.model.regions
    score = np.zeros((data.inside.shape[1], regions))
    out = np.concatenate(
        [np.flatnonzero(data.region == region)[HELD_OUT_FOLD // 2 :: HELD_OUT_FOLD] for region in range(regions)]
    )
    seen = hide(data, out)
    paths = infer(fit.model, seen, first_paths(fit.model, seen), HELD_OUT_STEPS)
    rate = expected(fit.model, data, paths.mean, paths.covariance)
    nats = log_likelihood(fit.model, data, rate)
    for region in range(regions):
        score[:, region] = nats[..., out[data.region[out] == region]].sum((0, 2))
    return score


def choose_dimensions(
    fitted: Recording,
    held_out: Recording,
    candidates: Sequence[int] = (1, 2, 3, 4, 5),
    tau_s: float | None = None,
    gaussian: bool = False,
) -> tuple[list[int], Array]:
    """Latents of every region by co-smoothing.

    Candidates are tried from the smallest on until the sum over regions no longer rises. Regions share the fewest
    latents that leave no more than an eighth of the whole gain, or two standard errors, to the best candidate; a
    region has a number of its own where that gains it more than three standard errors and a quarter of a region's share
    of the whole gain. A latent too few costs more than one too many, and few units tell little.

    Returns
    -------
    (region,) dimensions; (candidate, region) mean log likelihood a trial of the hidden units.
    """
    units = np.bincount(fitted.region, minlength=int(fitted.region.max()) + 1)
    scores: list[Array] = []
    for candidate in candidates:
        sizes = [min(candidate, max(int(count) - 1, 1)) for count in units]
        state = improve(start(fitted, sizes, tau_s, gaussian=gaussian), fitted, ROUNDS_TO_COMPARE)
        scores.append(co_smoothing(state, held_out))
        if len(scores) > 1 and scores[-1].sum() < scores[-2].sum():
            break
    table = np.stack(scores)
    whole = table.sum(2)
    behind = whole[whole.sum(1).argmax()] - whole
    gain = float(behind[0].sum())
    common = int(np.flatnonzero(behind.sum(1) <= np.maximum(SMALL_GAIN * gain, 2 * _error(behind)))[0])
    chosen = []
    for region in range(len(units)):
        ahead = table[:, :, region] - table[common, :, region]
        least = np.maximum(2 * SMALL_GAIN * gain / len(units), 3 * _error(ahead))
        worth = np.where(ahead.sum(1) > least, ahead.sum(1), 0.0)
        pick = int(worth.argmax()) if worth.any() else common
        chosen.append(min(candidates[pick], max(int(units[region]) - 1, 1)))
    return chosen, table.mean(1)


def _error(by_trial: Array) -> Array:
    """(candidate,) standard error of the sum over trials, (candidate, trial)."""
    return by_trial.std(1) * np.sqrt(by_trial.shape[1])


def choose_drives(
    fitted: Recording,
    held_out: Recording,
    dimensions: Sequence[int],
    tau_s: float | None = None,
    gaussian: bool = False,
    most: int = 1,
) -> tuple[Fit, Array]:
    """The fit with as many hidden drives as held-out trials ask for.

    A drive stays when it gains more held-out nats than ``LEAST_GAIN_NATS`` and than two standard errors over trials.

    Returns
    -------
    the fit; (drive,) held-out nats gained by each drive that was tried.
    """
    early = improve(start(fitted, dimensions, tau_s, gaussian=gaussian), fitted, ROUNDS_BEFORE_DRIVE)
    best = improve(early, fitted, ROUNDS_WITH_DRIVE, LOADINGS_EVERY)
    nats = held_out_nats(best.model, held_out)
    gains = []
    for _ in range(most):
        early = Fit(*with_drive(early.model, early.paths, early.prior, fitted, DRIVE_TAU_S))
        wider = improve(early, fitted, ROUNDS_WITH_DRIVE, LOADINGS_EVERY)
        gain = held_out_nats(wider.model, held_out) - nats
        gains.append(float(gain.sum()))
        if gain.sum() < max(LEAST_GAIN_NATS, 2 * gain.std() * np.sqrt(len(gain))):
            break
        best, nats = wider, nats + gain
    return best, np.array(gains)
