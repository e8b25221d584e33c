"""Scores of a population network: how well it predicts units that it does not see, in bits per spike.

The score is co-smoothing (Macke et al., NeurIPS 2011): the latents of held-out trials are inferred from four fifths of
the units, and predict the spikes of the other units. The number of bits per spike is the log likelihood beyond that of
the unit's mean rate, divided by the number of spikes and by log 2 (Pillow et al., Nature 2008).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.linear_model import PoissonRegressor

from curbd.scores.score import ALL_REGIONS, Scores
from curbd.tables import TABLES
from lrfit.population_network.dimensions import HELD_OUT_FOLD
from lrfit.population_network.file import fitted_of, indicator_of
from lrfit.population_network.held_out import each_alone, infer_each
from lrfit.population_network.history import as_read, expected_unseen
from lrfit.population_network.ingested import from_recording
from lrfit.population_network.model import Population
from lrfit.population_network.recording import Recording, hide, subset

Array = np.ndarray
GLM_PENALTY = 1e-2
GLM_MAX_ITERATIONS = 100
MAX_SCORED_TRIALS = 50
"""Largest number of trials that are scored, evenly spaced among the training or the test trials."""
SCORE_CHANGE_NATS = 0.1
"""The inference of the latents of a scored trial stops when a turn changes its bound by less than this."""
AVERAGE_SMOOTHING_BINS = 5
"""Number of bins over which the average response of a condition is smoothed."""


def score_populations(
    recording: xr.Dataset, networks: xr.Dataset, seconds: Sequence[float], truth: xr.Dataset | None = None
) -> Scores:
    """Score every fit of a population network on training and held-out trials.

    Parameters
    ----------
    recording : the recording that was fitted.
    networks : the content of network.nc.
    seconds : (seed,) wall time of every fit, s.
    truth : not used: the true network of a teacher is one of single units.

    Returns
    -------
    The scores of all fits, of all regions and of all units.
    """
    data, regions = (
        from_recording(recording, indicator_of(networks)),
        np.unique(recording["region"].to_numpy().astype(str)),
    )
    is_train = recording["split"].to_numpy() == "train"
    training = subset(data, np.flatnonzero(is_train))
    names = {"recording": networks.attrs["recording"], "model": networks.attrs["model"]}
    fits, by_region, by_unit = list[dict[str, Any]](), list[dict[str, Any]](), np.zeros(0)
    baselines: dict[str, Array] = {}
    for fit_index, seed in enumerate(networks["seed"].to_numpy()):
        model = fitted_of(networks, fit_index).model
        for split, chosen in (("train", is_train), ("test", ~is_train)):
            trials = as_read(model, subset(data, _evenly(np.flatnonzero(chosen))))
            predicted = {"bits_per_spike": co_smoothed(model, trials)}
            if split == "test":
                baselines = baselines or {
                    "average_bits_per_spike": average_response(training, trials),
                    "glm_bits_per_spike": coupled_glm(training, trials),
                }
                predicted |= baselines | {"own_region_bits_per_spike": co_smoothed(model, trials, own_region=True)}
            mean = mean_rates(training)
            gains = {name: log_likelihood_gain(trials, rate, mean) for name, rate in predicted.items()}
            spikes = trials.activity.sum((0, 1)).astype(float)
            groups = {ALL_REGIONS: np.ones(len(spikes), bool)}
            groups |= {region: data.region == index for index, region in enumerate(regions)}
            identity = {**names, "seed": seed, "split": split}
            for region, units in groups.items():
                scores = {name: bits_per_spike(gain[units].sum(), spikes[units].sum()) for name, gain in gains.items()}
                by_region.append(identity | {"region": region, "score": "cosmoothing", "n_units": units.sum()} | scores)
            fits.append(
                identity
                | {
                    "n_units": len(spikes),
                    "n_trials": trials.inside.shape[1],
                    "cosmoothing_bits_per_spike": by_region[-len(groups)]["bits_per_spike"],
                    "curvature": float(model.curvature[0]),
                    "curved_gain_nats": float(networks["curved_gain_nats"]),
                    "history_gain_nats": float(networks["history_gain_nats"]),
                    "tau_s": float(networks["tau_s"][fit_index]),
                    "seconds": seconds[fit_index],
                }
                | ({} if data.indicator_s is None else {"indicator_s": data.indicator_s})
            )
            if split == "test" and not fit_index:
                by_unit = np.array(list(map(bits_per_spike, gains["bits_per_spike"], spikes)))
    return Scores(
        with_all_columns("fits", pd.DataFrame(fits)),
        with_all_columns("region_scores", pd.DataFrame(by_region)),
        _unit_table(names, recording, by_unit),
    )


def _evenly(trials: Array) -> Array:
    """Choose at most ``MAX_SCORED_TRIALS`` of the trials, evenly spaced."""
    return np.unique(trials[np.linspace(0, len(trials) - 1, MAX_SCORED_TRIALS).round().astype(int)])


def with_all_columns(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Add the columns of a table that have no meaning for populations, as NaN."""
    missing = [column.name for column in TABLES[name].columns if not column.optional and column.name not in rows]
    return rows.assign(**dict.fromkeys(missing, np.nan))


def _unit_table(names: dict[str, Any], recording: xr.Dataset, bits: Array) -> pd.DataFrame:
    unit_id = recording["unit_id"].to_numpy().astype(str)
    return pd.DataFrame({"unit_id": unit_id, "cosmoothing_bits_per_spike": bits}).assign(**names)


def co_smoothed(model: Population, data: Recording, own_region: bool = False) -> Array:
    """Predict every unit from four fifths of the units, in five parts.

    Parameters
    ----------
    model : the network.
    data : trials, for whose units the rates are predicted.
    own_region : whether only units of the same region are seen.

    Returns
    -------
    (time, trial, unit) expected count per bin.
    """
    rate = np.zeros_like(data.activity)
    rank = np.zeros(len(data.region), int)
    for region in np.unique(data.region):
        rank[data.region == region] = np.arange((data.region == region).sum())
    for part in range(HELD_OUT_FOLD):
        out = rank % HELD_OUT_FOLD == part
        for region in np.unique(data.region) if own_region else [None]:
            unseen = out if region is None else out | (data.region != region)
            wanted = out if region is None else out & (data.region == region)
            if wanted.any():
                seen = hide(data, np.flatnonzero(unseen))
                paths = infer_each(model, seen, SCORE_CHANGE_NATS).paths
                rate[..., wanted] = expected_unseen(model, each_alone(data), paths.mean, paths.covariance)[..., wanted]
    return rate


def average_response(training: Recording, data: Recording) -> Array:
    """Predict every trial by the smoothed average of the training trials of its condition.

    Parameters
    ----------
    training, data : training trials, and the trials that are predicted.

    Returns
    -------
    (time, trial, unit) expected count per bin.
    """
    rate = np.empty_like(data.activity)
    window = np.ones(AVERAGE_SMOOTHING_BINS)
    for condition in np.unique(data.condition):
        of_condition = training.condition == condition
        chosen = of_condition if of_condition.any() else np.ones_like(of_condition)
        total, seen = (
            np.apply_along_axis(np.convolve, 0, values[:, chosen].sum(1), window, "same")
            for values in (training.activity, training.seen)
        )
        # Half a spike more, so that no bin without a spike has a rate of zero.
        # Counts that stand for fluorescence can be negative.
        total = np.maximum(total, 0)
        rate[:, data.condition == condition] = ((total + 0.5 * mean_rates(training)) / (seen + 0.5))[:, None]
    return rate


def coupled_glm(training: Recording, data: Recording) -> Array:
    """Predict every unit by a Poisson regression on all other units in the same and the previous bin.

    Parameters
    ----------
    training, data : training trials, and the trials that are predicted.

    Returns
    -------
    (time, trial, unit) expected count per bin; the first bin of a trial has the mean rate.
    """
    rate = np.broadcast_to(mean_rates(training), data.activity.shape).copy()
    inside, ahead = training.inside[1:], np.s_[1:]
    now, before = training.activity[1:][inside], training.activity[:-1][inside]
    now_new, before_new = data.activity[1:], data.activity[:-1]
    known = training.sources[1:][inside]
    known_new = data.sources[1:]
    for unit in range(training.activity.shape[2]):
        others = np.arange(training.activity.shape[2]) != unit
        X = np.concatenate([now[:, others], before[:, others], known], 1)
        new = np.concatenate([now_new[..., others], before_new[..., others], known_new], 2)
        # Counts that stand for fluorescence can be negative, which the regression does not allow.
        spikes = np.maximum(now[:, unit], 0)
        if spikes.any():
            glm = PoissonRegressor(alpha=GLM_PENALTY, solver="newton-cholesky", max_iter=GLM_MAX_ITERATIONS)
            glm.fit(X, spikes)
            predicted = glm.predict(new.reshape(-1, new.shape[2])).reshape(new.shape[:2])
            predicted *= now[:, unit].mean() / spikes.mean()
            rate[ahead, :, unit] = np.minimum(predicted, data.highest)
    return rate


def mean_rates(data: Recording) -> Array:
    """Compute the (unit,) mean count per bin, with half a spike more, so that no mean is zero."""
    return np.asarray((data.activity.sum((0, 1)) + 0.5) / (data.seen.sum((0, 1)) + 0.5))


def log_likelihood_gain(data: Recording, rate: Array, mean: Array) -> Array:
    """Compute the (unit,) log likelihood of counts beyond that of the mean rate, in nats.

    Parameters
    ----------
    data : the trials.
    rate : (time, trial, unit) expected count per bin.
    mean : (unit,) mean count per bin of the training trials.
    """
    rate = np.maximum(rate.astype(float), 1e-10)
    nats = data.seen * (data.activity * np.log(rate / mean) - rate + mean)
    return np.asarray(nats.sum((0, 1)))


def bits_per_spike(nats: float, spikes: float) -> float:
    """Convert a log likelihood in nats to bits per spike; NaN without spikes."""
    return float(nats / spikes / np.log(2)) if spikes else float("nan")
