"""Scores of a population network: how well it predicts unseen units, and the next bin, in bits per spike.

In co-smoothing (Macke et al., NeurIPS 2011), the latents of held-out trials are inferred from four fifths of the units
and predict the spikes of the other units. In forward prediction, every bin is predicted from the bins before it. The
number of bits per spike is the log likelihood beyond that of the unit's mean rate, divided by the number of spikes and
by log 2 (Pillow et al., Nature 2008).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from curbd.scores.score import ALL_REGIONS, Scores
from curbd.tables import TABLES
from lrfit.population_network.baselines import average_response, coupled_glm, mean_rates
from lrfit.population_network.file import fitted_of, indicator_of
from lrfit.population_network.forward import predict_ahead
from lrfit.population_network.held_out import each_alone, infer_each
from lrfit.population_network.history import as_read, expected_unseen
from lrfit.population_network.ingested import from_recording
from lrfit.population_network.model import Population
from lrfit.population_network.recording import HELD_OUT_FOLD, Recording, hide, subset

Array = np.ndarray
MAX_SCORED_TRIALS = 50
"""Largest number of trials that are scored, evenly spaced among the training or the test trials."""
SCORE_CHANGE_NATS = 0.1
"""The inference of the latents of a scored trial stops when a turn changes its bound by less than this."""


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
    data = from_recording(recording, indicator_of(networks))
    is_train = recording["split"].to_numpy() == "train"
    training = subset(data, np.flatnonzero(is_train))
    regions = np.unique(recording["region"].to_numpy().astype(str))
    names = {"recording": networks.attrs["recording"], "model": networks.attrs["model"]}
    fits, by_region, of_units = list[dict[str, Any]](), list[pd.DataFrame](), dict[str, Array]()
    plain: dict[str, dict[str, Array]] = {}
    for fit_index, seed in enumerate(networks["seed"].to_numpy()):
        model = fitted_of(networks, fit_index).model
        for split, chosen in (("train", is_train), ("test", ~is_train)):
            trials = as_read(model, subset(data, _evenly(np.flatnonzero(chosen))))
            predicted = _predictions(model, trials, with_own_region=split == "test")
            if split == "test":
                plain = plain or _plain_predictions(training, trials)
                predicted = {score: rates | plain[score] for score, rates in predicted.items()}
            gains = {score: _gains(training, trials, rates) for score, rates in predicted.items()}
            spikes = trials.activity.sum((0, 1)).astype(float)
            of_split = _region_rows(gains, spikes, data.region, regions)
            identity = {**names, "seed": seed, "split": split}
            by_region.append(of_split.assign(**identity))
            whole = of_split[of_split["region"] == ALL_REGIONS].set_index("score")["bits_per_spike"]
            fits.append(
                identity
                | {f"{score}_bits_per_spike": bits for score, bits in whole.items()}
                | {
                    "n_units": len(spikes),
                    "n_trials": trials.inside.shape[1],
                    "curvature": float(model.curvature[0]),
                    "curved_gain_nats": float(networks["curved_gain_nats"]),
                    "history_gain_nats": float(networks["history_gain_nats"]),
                    "tau_s": float(networks["tau_s"][fit_index]),
                    "seconds": seconds[fit_index],
                }
                | ({} if data.indicator_s is None else {"indicator_s": data.indicator_s})
            )
            if split == "test" and not fit_index:
                of_units = {
                    f"{score}_bits_per_spike": bits_per_spike(of_score["bits_per_spike"].to_numpy(), spikes)
                    for score, of_score in gains.items()
                }
    return Scores(
        with_all_columns("fits", pd.DataFrame(fits)),
        with_all_columns("region_scores", pd.concat(by_region, ignore_index=True)),
        pd.DataFrame({"unit_id": recording["unit_id"].to_numpy().astype(str), **of_units}).assign(**names),
    )


def _evenly(trials: Array) -> Array:
    """Choose at most ``MAX_SCORED_TRIALS`` of the trials, evenly spaced."""
    return np.unique(trials[np.linspace(0, len(trials) - 1, MAX_SCORED_TRIALS).round().astype(int)])


def with_all_columns(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Add the columns of a table that have no meaning for populations, as NaN."""
    missing = [column.name for column in TABLES[name].columns if not column.optional and column.name not in rows]
    return rows.assign(**dict.fromkeys(missing, np.nan))


def _predictions(model: Population, trials: Recording, *, with_own_region: bool) -> dict[str, dict[str, Array]]:
    """Predict trials by the network, which sees all units or, where asked, also the units of one region only."""
    seen = {"bits_per_spike": False} | ({"own_region_bits_per_spike": True} if with_own_region else {})
    return {
        "cosmoothing": {name: co_smoothed(model, trials, own_region=own) for name, own in seen.items()},
        "forward": {name: predict_ahead(model, trials, own_region=own) for name, own in seen.items()},
    }


def _plain_predictions(training: Recording, trials: Recording) -> dict[str, dict[str, Array]]:
    """Predict the trials for each score by the baselines, which no network changes."""
    average = average_response(training, trials)
    return {
        score: {
            "average_bits_per_spike": average,
            "glm_bits_per_spike": coupled_glm(training, trials, same_bin=score == "cosmoothing"),
        }
        for score in ("cosmoothing", "forward")
    }


def _gains(training: Recording, trials: Recording, predicted: dict[str, Array]) -> pd.DataFrame:
    """Log likelihood of every unit (row) under every prediction (column) beyond that of the mean rate, in nats."""
    mean = mean_rates(training)
    return pd.DataFrame({name: log_likelihood_gain(trials, rate, mean) for name, rate in predicted.items()})


def _region_rows(gains: dict[str, pd.DataFrame], spikes: Array, region_of_unit: Array, regions: Array) -> pd.DataFrame:
    """Convert the gains of units into rows of the table ``region_scores``."""
    groups = {ALL_REGIONS: np.ones(len(spikes), bool)}
    groups |= {region: region_of_unit == index for index, region in enumerate(regions)}
    return pd.DataFrame(
        [
            {"region": region, "score": score, "n_units": units.sum()}
            | dict(zip(of_score, bits_per_spike(of_score[units].to_numpy().sum(0), spikes[units].sum()), strict=True))
            for score, of_score in gains.items()
            for region, units in groups.items()
        ]
    )


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


def bits_per_spike(nats: Array, spikes: Array | float) -> Array:
    """Convert log likelihoods in nats to bits per spike; NaN without spikes."""
    return nats / np.where(np.asarray(spikes) > 0, spikes, np.nan) / np.log(2)
