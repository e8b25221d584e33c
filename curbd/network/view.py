"""A recording as a fitted network sees it: the arrays behind currents, verdicts, effects of experiments and scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import xarray as xr

from curbd.network.equation import Network, weights
from curbd.network.file import block_ranks_of, factors_of, network_of, posterior_of
from curbd.network.fit import BlockRanks, Posterior
from curbd.network.residual import Residual, one_step_residual
from curbd.network.sources import BIAS, Source, sources_of
from curbd.network.uncertainty import (
    Key,
    current_variance,
    expected_r2,
    mean_current_variance,
    mean_rate_variance,
    posterior_draws,
    summed_covariance,
    unseen_share,
)
from curbd.recording.scaling import MAX_SCALED_RATE, scaled_rates, silent

Array = np.ndarray
Rates = Literal["observed", "inferred", "drawn"]
RATE_VARIABLES = {"inferred": "inferred_rates", "drawn": "drawn_rates"}
"""Variables of network.nc that hold the rates behind noisy observations: their posterior mean, and a draw."""
ZERO_SINGULAR_VALUE = 1e-8
"""Singular values of a block count as 0 below this share of the largest singular value of the connectivity."""


@dataclass(frozen=True)
class Recorded:
    """A recording in plain arrays.

    Attributes
    ----------
    r : (trial, time, unit) scaled rates in (-1, 1), NaN where missing.
    u : (trial, time, input) inputs.
    input_name : (input,) names of the inputs.
    unit_id, region : (unit,) labels of the units.
    condition : (trial,) labels of the trials.
    train : (trial,) bool, True for training trials.
    time_s : (time,) centres of the bins, s.
    silent : scaled rate of a unit that does not fire.
    """

    r: Array
    u: Array
    input_name: Array
    unit_id: Array
    region: Array
    condition: Array
    train: Array
    time_s: Array
    silent: float

    @cached_property
    def regions(self) -> list[str]:
        """Names of the regions, sorted."""
        return [str(name) for name in np.unique(self.region)]

    @cached_property
    def region_of_unit(self) -> Array:
        """(unit,) index of each unit's region in ``regions``."""
        return np.searchsorted(self.regions, self.region)

    @cached_property
    def observed(self) -> Array:
        """(trial, time) bool: True for bins in which every unit was observed."""
        return np.isfinite(self.r).all(2)

    @property
    def samples(self) -> Array:
        """(sample, unit) scaled rates of all bins in which every unit was observed."""
        return self.r[self.observed]


class ActivityMoments(NamedTuple):
    """First and second moments of the presynaptic activity [r, u, 1].

    Attributes
    ----------
    n : number of bins.
    mean : (regressor,) mean over bins.
    scatter : (regressor, regressor) products about the mean, summed over bins.
    """

    n: int
    mean: Array
    scatter: Array

    @classmethod
    def of(cls, z: Array) -> ActivityMoments:
        """Compute the moments of activity (trial, time, regressor) over its complete bins."""
        z = z.reshape(-1, z.shape[2])
        z = z[np.isfinite(z).all(1)]
        mean = z.sum(0) / max(len(z), 1)
        centred = z - mean
        return cls(len(z), mean, centred.T @ centred)


class CurrentView(Protocol):
    """What the tables of currents ask of a fitted network: `View`, or the view of a population network in `lrfit`."""

    @property
    def unit_id(self) -> Array:
        """Return the (unit,) names of the units."""

    @property
    def region(self) -> Array:
        """Return the (unit,) regions of the units."""

    @property
    def regions(self) -> list[str]:
        """Return the names of the regions, sorted."""

    @property
    def condition(self) -> Array:
        """Return the (trial,) labels of the trials."""

    @property
    def time_s(self) -> Array:
        """Return the (time,) centres of the bins, s."""

    @property
    def sources(self) -> list[Source]:
        """Return all sources of currents."""

    @property
    def pathway_sources(self) -> list[Source]:
        """Return the sources whose pathways are judged."""

    @property
    def W(self) -> Array:
        """Return the (unit, regressor) weights of all regressors."""

    @property
    def z(self) -> Array:
        """Return the regressors (trial, time, regressor), NaN in bins that are missing."""

    @property
    def activity_moments(self) -> ActivityMoments:
        """Return the moments of the regressors over all complete bins."""

    def current(self, source: Source, units: Array | slice = slice(None)) -> Array:
        """Compute the current (trial, time, unit) that a source sends to some units."""

    def excitatory_current(self, source: Source) -> Array:
        """Compute the excitatory part (trial, time, unit) of a current; NaN if the network has none."""

    def mean_current_variance(self, source: Source, region: str, trials: Array) -> Array | None:
        """Return the posterior variance (time,) of a current averaged over units and trials; None if not known."""

    def expected_r2(self, source: Source, region: str) -> float:
        """Return the R2 with the true current that the posterior expects; NaN if not known."""

    def unseen_share(self, source: Source) -> float:
        """Return the share of a source's variance that noise hides; NaN if not known."""


@dataclass(frozen=True)
class View(Recorded):
    """A recording as a fit sees it, and the currents that the fit predicts.

    The inputs ``u`` are the recorded inputs, then the hidden inputs of the fit. If the fit inferred the rates behind
    noisy observations, ``r`` holds the observed, inferred or drawn rates, as chosen by the argument ``rates`` of the
    function `view`.

    Attributes
    ----------
    hidden : (input,) bool, True for inputs that were not recorded but inferred by the fit.
    network : the fitted network; the columns of its weights are in the order of [r, u, 1].
    posterior : posterior of the weights; None if the estimator has no posterior.
    rate_covariance : (unit, unit) posterior covariance of inferred rates; None if the rates are the observed rates.
    penalty : (target region, source region) ridge penalties of the fit; None if the estimator has no penalties.
    factors : left factors m (unit, rank) and right factors n (unit, rank) of J = m n'; None for a network of full rank.
    ranks : ranks of the blocks of J; None if the estimator did not choose the rank of every block separately.
    """

    hidden: Array
    network: Network
    posterior: Posterior | None
    rate_covariance: Array | None
    penalty: Array | None
    factors: tuple[Array, Array] | None
    ranks: BlockRanks | None

    @cached_property
    def sources(self) -> list[Source]:
        """All sources of currents: the regions, then the inputs, then the bias."""
        return sources_of(self.region, self.input_name)

    @property
    def pathway_sources(self) -> list[Source]:
        """The sources whose pathways are judged, with their names and columns: all regions, then all inputs."""
        return [source for source in self.sources if source.name != BIAS]

    @cached_property
    def W(self) -> Array:
        """(unit, regressor) weights [J, B, b] of the network."""
        return weights(self.network)

    @cached_property
    def z(self) -> Array:
        """(trial, time, regressor) presynaptic activity [r, u, 1], NaN in bins where a rate or an input is missing."""
        z = np.concatenate([self.r, self.u, np.ones((*self.r.shape[:2], 1))], axis=2)
        return np.where(np.isfinite(z).all(2, keepdims=True), z, np.nan)

    @cached_property
    def activity_moments(self) -> ActivityMoments:
        """Mean and second moments of the presynaptic activity over all complete bins."""
        return ActivityMoments.of(self.z)

    @cached_property
    def residual(self) -> Residual:
        """Total current from each bin to the next, and the error of the network's one-step prediction."""
        return one_step_residual(self.network, self.r, self.u)

    @property
    def forecast_inputs(self) -> Array:
        """(trial, time, input) inputs that a forecast may use: the hidden inputs of held-out trials are set to 0.

        The hidden inputs of a trial are inferred from the activity of this trial, so a forecast of a held-out trial
        must not use its hidden inputs.
        """
        inputs = self.u.copy()
        inputs[np.ix_(~self.train, np.arange(inputs.shape[1]), self.hidden)] = 0.0
        return inputs

    def current(self, source: Source, units: Array | slice = slice(None)) -> Array:
        """Compute the current (trial, time, unit) that a source sends to some units; NaN where a bin is missing."""
        return self.z[..., source.columns] @ self.W[:, source.columns][units].T

    def excitatory_current(self, source: Source) -> Array:
        """Compute the current (trial, time, unit) that a source sends through positive weights."""
        return self.z[..., source.columns] @ np.maximum(self.W[:, source.columns], 0).T

    def mean_current_variance(self, source: Source, region: str, trials: Array) -> Array | None:
        """Return the posterior variance of a current averaged over the units of a region and over trials.

        Parameters
        ----------
        source : a source of the view.
        region : name of the target region.
        trials : (trial,) bool or indices of the trials.

        Returns
        -------
        (time,) variance, in the squared (dimensionless) units of the state x; None if the estimator has no posterior.
        """
        if self.posterior is None:
            return None
        units, z = self.region == region, self.z[trials]
        variance = mean_current_variance(self._covariances[region], z, source.columns, units.sum())
        if self.rate_covariance is not None:
            variance = variance + mean_rate_variance(self.rate_covariance, self.W[units].mean(0), z, source.columns)
        return variance

    def current_variance(self, region: str, activity: Mapping[Key, tuple[Source, Array]]) -> dict[Key, Array] | None:
        """Return the posterior variance of currents that a given presynaptic activity sends to the units of a region.

        Parameters
        ----------
        region : name of the target region.
        activity : key -> a source, and the activity (..., unit, column) or (..., 1, column) of its columns.

        Returns
        -------
        Key -> (..., unit) variance, in the squared (dimensionless) units of the state x; None if the estimator has no
        posterior.
        """
        if self.posterior is None:
            return None
        of_columns = {key: (source.columns, values) for key, (source, values) in activity.items()}
        return current_variance(self.posterior, self.region == region, of_columns)

    def expected_r2(self, source: Source, region: str) -> float:
        """Return the R2 with the true current that the posterior expects of a current; NaN without a posterior."""
        if self.posterior is None:
            return float("nan")
        W, covariance = self.W[self.region == region], self._covariances[region]
        activity = self.activity_moments
        return expected_r2(covariance, activity.scatter, activity.n, source.columns, W, self.rate_covariance)

    def unseen_share(self, source: Source) -> float:
        """Return the share of a source's rate variance that measurement noise hides; NaN without inferred rates."""
        if self.rate_covariance is None:
            return float("nan")
        return unseen_share(self.rate_covariance, self.z, source.columns)

    @cached_property
    def _covariances(self) -> dict[str, Array]:
        """Region -> (regressor, regressor) sum of the posterior covariances of the weights of the units."""
        if self.posterior is None:
            return {}
        return {region: summed_covariance(self.posterior, self.region == region) for region in self.regions}

    @cached_property
    def block_ranks(self) -> Array | None:
        """Rank of every block of the connectivity (target region, source region); None for a network of full rank."""
        if self.factors is None:
            return None
        m, n = self.factors
        threshold = ZERO_SINGULAR_VALUE * max(float(np.linalg.norm(self.network.J, 2)), 1e-300)
        units_of = [self.region == region for region in self.regions]
        return np.array(
            [
                [(np.linalg.svd(m[target] @ n[source].T, compute_uv=False) > threshold).sum() for source in units_of]
                for target in units_of
            ]
        )

    def draws(self, n_draws: int, seed: int) -> list[Network]:
        """Draw networks from the posterior of the weights; an empty list if the estimator has no posterior."""
        return posterior_draws(self.network, self.posterior, n_draws, seed)


def recorded(recording: xr.Dataset) -> Recorded:
    """Convert a recording to plain arrays, with its recorded inputs and observed rates."""
    return Recorded(**_labels(recording), r=scaled_rates(recording).values, u=_inputs(recording))


def view(recording: xr.Dataset, networks: xr.Dataset, fit_index: int = 0, rates: Rates = "inferred") -> View:
    """Combine a recording with one fit of a model: rates, inputs, labels and the fitted network in plain arrays.

    If the fit inferred the rates behind noisy observations, the rates of every trial (held-out trials included) were
    inferred from the data of that trial, by a network that was fitted to training trials only.

    Parameters
    ----------
    recording : the recording that was fitted.
    networks : all fits of one model to the recording, the content of network.nc.
    fit_index : position of the fit among the seeds, from 0.
    rates : ``observed`` for the observed rates, ``inferred`` for the posterior mean of the rates behind noisy
        observations, ``drawn`` for one draw from the posterior of these rates. A draw fluctuates with the process
        noise, which is averaged out in the posterior mean. If the fit inferred no rates, all three are the observed
        rates.

    Returns
    -------
    The recording as the fit sees it.
    """
    labels, r, u = _labels(recording), scaled_rates(recording).values, _inputs(recording)
    if rates != "observed" and RATE_VARIABLES[rates] in networks:
        r = networks[RATE_VARIABLES[rates]].values[fit_index].astype(float)
        r = r if recording.attrs["activity"] == "model" else np.clip(r, -MAX_SCALED_RATE, MAX_SCALED_RATE)
    hidden = networks["input_hidden"].values
    if hidden.any():
        u = np.concatenate([u, networks["hidden"].values[fit_index]], axis=2)
        labels["input_name"] = networks["input"].values.astype(str)
    covariance = networks["rate_covariance"].values[fit_index] if "rate_covariance" in networks else None
    return View(
        **labels,
        r=r,
        u=u,
        hidden=hidden,
        network=network_of(networks, fit_index),
        posterior=posterior_of(networks, fit_index),
        rate_covariance=covariance,
        penalty=networks["penalty"].values[fit_index] if "penalty" in networks else None,
        factors=factors_of(networks, fit_index),
        ranks=block_ranks_of(networks, fit_index),
    )


def views(recording: xr.Dataset, networks: xr.Dataset, rates: Rates = "inferred") -> list[View]:
    """Combine a recording with every fit of a model, in the order of the seeds; `view` explains the parameters."""
    return [view(recording, networks, fit_index, rates) for fit_index in range(networks.sizes["seed"])]


def _labels(recording: xr.Dataset) -> dict[str, Any]:
    """Collect the fields of `Recorded` that are the same for all fits."""
    return {
        "input_name": recording["input"].values.astype(str),
        "unit_id": recording["unit_id"].values.astype(str),
        "region": recording["region"].values.astype(str),
        "condition": recording["condition"].values.astype(str),
        "train": recording["split"].values == "train",
        "time_s": recording["time"].values,
        "silent": silent(recording),
    }


def _inputs(recording: xr.Dataset) -> Array:
    return recording["inputs"].transpose("trial", "time", "input").values
