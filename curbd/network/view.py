"""A recording as a fitted network sees it: the arrays behind currents, verdicts, effects of experiments and scores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import xarray as xr

from curbd.network.equation import Network, weights
from curbd.network.file import block_ranks_of, factors_of, network_of, posterior_of
from curbd.network.fit import BlockRanks, Posterior
from curbd.network.residual import Residual, one_step_residual
from curbd.network.sources import BIAS, Source, sources_of
from curbd.network.uncertainty import (
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
    train : (trial,) whether a trial may be used to fit.
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
        """(trial, time) bins in which every unit was observed."""
        return np.isfinite(self.r).all(2)

    @property
    def samples(self) -> Array:
        """(sample, unit) scaled rates of all bins in which every unit was observed."""
        return self.r[self.observed]


@dataclass(frozen=True)
class View(Recorded):
    """A recording as a fit sees it, and the currents that the fit predicts.

    The inputs ``u`` are the recorded inputs, then the hidden inputs of the fit. Where the fit inferred the rates behind
    noisy observations, ``r`` holds the rates that were asked for, see `view`.

    Attributes
    ----------
    hidden : (input,) whether an input was inferred by the fit and not recorded.
    network : the fitted network; the columns of its weights are in the order of [r, u, 1].
    posterior : posterior of the weights, or None where the estimator has none.
    rate_covariance : (unit, unit) posterior covariance of inferred rates, or None where the rates are as observed.
    penalty : (target region, source region) ridge penalties of the fit, or None where the estimator has none.
    factors : (unit, rank) m and (unit, rank) n with J = m n', or None for a network of full rank.
    ranks : ranks of the blocks of J, where the estimator chose the rank of every block separately, else None.
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
        """Regions, inputs, bias."""
        return sources_of(self.region, self.input_name)

    @property
    def pathway_sources(self) -> list[Source]:
        """The sources of pathways: regions and inputs."""
        return [source for source in self.sources if source.name != BIAS]

    @cached_property
    def W(self) -> Array:
        """(unit, regressor) weights [J, B, b]."""
        return weights(self.network)

    @cached_property
    def z(self) -> Array:
        """(trial, time, regressor) presynaptic activity [r, u, 1], NaN in bins where a rate or an input is missing."""
        z = np.concatenate([self.r, self.u, np.ones((*self.r.shape[:2], 1))], axis=2)
        return np.where(np.isfinite(z).all(2, keepdims=True), z, np.nan)

    @cached_property
    def residual(self) -> Residual:
        """One-step prediction of the total current."""
        return one_step_residual(self.network, self.r, self.u)

    @property
    def forecast_inputs(self) -> Array:
        """(trial, time, input) inputs that a forecast may use: hidden inputs of held-out trials are 0.

        Hidden inputs are inferred from the trials that they explain, so a forecast of these trials must not use them.
        """
        inputs = self.u.copy()
        inputs[np.ix_(~self.train, np.arange(inputs.shape[1]), self.hidden)] = 0.0
        return inputs

    def current(self, source: Source, units: Array | slice = slice(None)) -> Array:
        """(trial, time, unit) current that a source sends, NaN where a bin is missing."""
        return self.z[..., source.columns] @ self.W[:, source.columns][units].T

    def excitatory_current(self, source: Source) -> Array:
        """(trial, time, unit) current of a source through positive weights."""
        return self.z[..., source.columns] @ np.maximum(self.W[:, source.columns], 0).T

    def mean_current_variance(self, source: Source, region: str, trials: Array) -> Array | None:
        """Posterior variance of a current averaged over the units of a region and over trials.

        Parameters
        ----------
        source : a source of the view.
        region : name of the target region.
        trials : (trial,) bool or indices of the trials.

        Returns
        -------
        (time,) in the squared units of x; None where the estimator has no posterior.
        """
        if self.posterior is None:
            return None
        units, z = self.region == region, self.z[trials]
        variance = mean_current_variance(self._covariances[region], z, source.columns, units.sum())
        if self.rate_covariance is not None:
            variance = variance + mean_rate_variance(self.rate_covariance, self.W[units].mean(0), z, source.columns)
        return variance

    def expected_r2(self, source: Source, region: str) -> float:
        """R2 between a current and the true current that the posterior expects; NaN where there is no posterior."""
        if self.posterior is None:
            return float("nan")
        units = self.region == region
        current = self.current(source, units)
        covariance = self._covariances[region]
        return expected_r2(covariance, self.z, source.columns, current, self.W[units], self.rate_covariance)

    def unseen_share(self, source: Source) -> float:
        """Share of the variance of the rates of a source that measurement noise hides; NaN without inferred rates."""
        if self.rate_covariance is None:
            return float("nan")
        return unseen_share(self.rate_covariance, self.z, source.columns)

    @cached_property
    def _covariances(self) -> dict[str, Array]:
        """Region -> (regressor, regressor) sum of the posterior covariances of the weights of the units."""
        if self.posterior is None:
            return {}
        return {region: summed_covariance(self.posterior, self.region == region) for region in self.regions}

    def draws(self, n_draws: int, seed: int) -> list[Network]:
        """Networks drawn from the posterior of the weights; none where the estimator has no posterior."""
        return posterior_draws(self.network, self.posterior, n_draws, seed)


def recorded(recording: xr.Dataset) -> Recorded:
    """A recording in plain arrays, with its recorded inputs and observed rates."""
    return Recorded(**_labels(recording), r=scaled_rates(recording).values, u=_inputs(recording))


def view(recording: xr.Dataset, networks: xr.Dataset, fit_index: int = 0, rates: Rates = "inferred") -> View:
    """A recording as a fit of a model sees it.

    The rates of a trial, also of a held-out trial, are inferred from the data of that trial, by a network that was
    fitted to the training trials only.

    Parameters
    ----------
    recording : the recording that was fitted.
    networks : the fits of one model to the recording.
    fit_index : position of the fit among the seeds.
    rates : ``observed``, or the rates that the fit inferred behind noisy observations: their posterior mean
        (``inferred``), or a draw from their posterior (``drawn``), which has the process noise that a mean lacks. All
        three are the observed rates where the fit infers no rates.
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
    """The views of all fits of a model, in the order of their seeds; see `view` for the parameters."""
    return [view(recording, networks, fit_index, rates) for fit_index in range(networks.sizes["seed"])]


def _labels(recording: xr.Dataset) -> dict[str, Any]:
    """The fields of `Recorded` that are the same for all fits."""
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
