"""How many latents a region has, and how many hidden drives there are: what predicts held-out trials best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lrfit.population_network.fit import Fit, improve, start
from lrfit.population_network.hidden import with_drive
from lrfit.population_network.likelihood import HELD_OUT_STEPS, held_out_nats
from lrfit.population_network.observation import expected, log_likelihood
from lrfit.population_network.paths import first_paths, infer
from lrfit.population_network.recording import Recording, hide, subset

Array = np.ndarray
ROUNDS_TO_COMPARE = 25
ROUNDS_BEFORE_DRIVE = 3
ROUNDS_WITH_DRIVE = 40
HELD_OUT_FOLD = 5
"""One trial in so many is held out, and one unit of each region in co-smoothing."""
DRIVE_TAU_S = 0.2
"""Each time constant of a hidden drive; from .1 to .3 s held-out nats differ by a tenth of what a drive gains."""
LEAST_GAIN_NATS = 20.0
"""Held-out nats that a hidden drive must gain; twice the most that it gained on teachers without a drive."""


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
    fitted: Recording, held_out: Recording, candidates: Sequence[int] = (1, 2, 3, 4), tau_s: float | None = None, gaussian: bool = False
) -> tuple[list[int], Array]:
    """Latents of every region: the fewest whose co-smoothing is within one standard error of the best.

    Returns
    -------
    (region,) dimensions; (candidate, region) mean log likelihood a trial of the hidden units, NaN where a region has
    too few units.
    """
    regions = int(fitted.region.max()) + 1
    units = np.bincount(fitted.region, minlength=regions)
    scores = []
    for candidate in candidates:
        sizes = [min(candidate, max(int(count) - 1, 1)) for count in units]
        state = improve(start(fitted, sizes, tau_s, gaussian=gaussian), fitted, ROUNDS_TO_COMPARE)
        scores.append(co_smoothing(state, held_out))
    table = np.stack(scores)
    chosen = []
    for region in range(regions):
        by_trial = table[:, :, region]
        best = int(by_trial.mean(1).argmax())
        behind = by_trial[best] - by_trial
        error = behind.std(1) / np.sqrt(behind.shape[1])
        enough = np.flatnonzero(behind.mean(1) <= error)
        chosen.append(min(candidates[int(enough[0])], max(int(units[region]) - 1, 1)))
    return chosen, table.mean(1)


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
    best = improve(early, fitted, ROUNDS_WITH_DRIVE)
    nats = held_out_nats(best.model, held_out)
    gains = []
    for _ in range(most):
        early = Fit(*with_drive(early.model, early.paths, early.prior, fitted, DRIVE_TAU_S))
        wider = improve(early, fitted, ROUNDS_WITH_DRIVE)
        gain = held_out_nats(wider.model, held_out) - nats
        gains.append(float(gain.sum()))
        if gain.sum() < max(LEAST_GAIN_NATS, 2 * gain.std() * np.sqrt(len(gain))):
            break
        best, nats = wider, nats + gain
    return best, np.array(gains)
