"""A recording as a fitted network sees it: the arrays behind currents, verdicts, effects of experiments and scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import xarray as xr

from curbd.network.activity_moments import ACTIVITY_VALUES, ActivityMoments
from curbd.network.adaptation import adaptation_current, adaptation_states
from curbd.network.equation import Network, weights
from curbd.network.file import block_ranks_of, factors_of, network_of, posterior_of
from curbd.network.fit import BlockRanks, Posterior
from curbd.network.recorded import Recorded, inputs_of, labels_of
from curbd.network.residual import acting_rates, error_of_units, observed_currents
from curbd.network.silent_states import silent_states
from curbd.network.sources import BIAS, SELF_ADAPTATION, Source, sources_of
from curbd.network.uncertainty import (
    Key,
    MeanActivity,
    current_variance,
    expected_r2,
    mean_current_variance,
    mean_rate_variance,
    posterior_draws,
    summed_covariance,
    unseen_share,
)
from curbd.recording.scaling import MAX_SCALED_RATE, rate_scale, scaled_rates

Array = np.ndarray
Rates = Literal["observed", "inferred", "drawn"]
RATE_VARIABLES = {"inferred": "inferred_rates", "drawn": "drawn_rates"}
"""Variables of network.nc that hold the rates behind noisy observations: their posterior mean, and a draw."""
ZERO_SINGULAR_VALUE = 1e-8
"""Singular values of a block count as 0 below this share of the largest singular value of the connectivity."""


@dataclass(frozen=True)
class View(Recorded):
    """A recording as a fit sees it, and the currents that the fit predicts.

    The inputs ``u`` are the recorded inputs, then the hidden inputs of the fit. If the fit inferred the rates behind
    noisy observations, ``r`` holds the observed, inferred or drawn rates, as chosen by the argument ``rates`` of the
    function `view`.

    Attributes
    ----------
    activity : (trial, time, regressor) presynaptic activity [r, u, 1], whose first columns are ``r``; inputs and bias
        are NaN in bins where a rate is missing. Fits that see the same rates and inputs share the array.
    hidden : (input,) bool, True for inputs that were not recorded but inferred by the fit.
    network : the fitted network; the columns of its weights are in the order of [r, u, 1].
    posterior : posterior of the weights; None if the estimator has no posterior.
    process_noise_sd : (unit,) standard deviation of the noise added to the state in a bin; None if not estimated.
    rate_covariance : (unit, unit) posterior covariance of inferred rates; None if the rates are the observed rates.
    penalty : (target region, source region) ridge penalties of the fit; None if the estimator has no penalties.
    factors : left factors m (unit, rank) and right factors n (unit, rank) of J = m n'; None for a network of full rank.
    ranks : ranks of the blocks of J; None if the estimator did not choose the rank of every block separately.
    """

    activity: Array
    hidden: Array
    network: Network
    posterior: Posterior | None
    process_noise_sd: Array | None
    rate_covariance: Array | None
    penalty: Array | None
    factors: tuple[Array, Array] | None
    ranks: BlockRanks | None

    @cached_property
    def sources(self) -> list[Source]:
        """All sources of currents: the regions, the inputs, the bias and, if the units adapt, their adaptation."""
        return sources_of(self.region, self.input_name, adaptation=self.network.adaptation is not None)

    @property
    def pathway_sources(self) -> list[Source]:
        """The sources whose pathways are judged, with their names and columns: all regions, then all inputs."""
        return [source for source in self.sources if source.name not in (BIAS, SELF_ADAPTATION)]

    @cached_property
    def W(self) -> Array:
        """(unit, regressor) weights [J, B, b] of the network and, if the units adapt, the weights of the adaptation."""
        adaptation = self.network.adaptation
        own = [] if adaptation is None else [-np.diag(adaptation.strength)]
        return np.concatenate([weights(self.network), *own], axis=1)

    @property
    def n_present(self) -> int:
        """Number of regressors [r, u, 1], which a posterior and nulls are about; those of adaptation follow."""
        return self.r.shape[2] + self.u.shape[2] + 1

    @cached_property
    def z(self) -> Array:
        """(trial, time, regressor) presynaptic activity [r, u, 1], NaN in bins where a rate or an input is missing.

        If the units adapt, their adaptation follows.
        """
        missing = ~np.isfinite(self.activity).all(2)
        known = np.isnan(self.activity[missing]).all()
        z = self.activity if known else np.where(missing[..., None], np.nan, self.activity)
        adaptation = self.network.adaptation
        if adaptation is None:
            return z
        own = np.where(missing[..., None], np.nan, adaptation_states(adaptation, self.r, self.network.dt_s))
        return np.concatenate([z, own], axis=2)

    @cached_property
    def activity_moments(self) -> ActivityMoments:
        """Mean and second moments of the presynaptic activity over all complete bins."""
        return ActivityMoments.of(self.z)

    @cached_property
    def y(self) -> Array:
        """(trial, time - 1, unit) total current from each bin to the next; NaN where a bin is missing."""
        return observed_currents(self.network, self.r, self._states)

    @property
    def _states(self) -> Array | None:
        """(trial, time, unit) states, inferred by the network if silent units hide them, or None."""
        network = self.network
        if not network.nonlinearity.hides_silent:
            return None
        if self.posterior is not None:
            return silent_states(network, self.r, self.u, self.posterior.noise_variance).mean
        if self.process_noise_sd is not None:
            return silent_states(network, self.r, self.u, (self.process_noise_sd / (1 - network.decay)) ** 2).mean
        return None

    @cached_property
    def y_of_others(self) -> Array:
        """(trial, time - 1, unit) total current without the current of the adaptation of the units."""
        adaptation = self.network.adaptation
        if adaptation is None:
            return self.y
        return self.y - adaptation_current(adaptation, self.r, self.network.dt_s)[:, :-1]

    @cached_property
    def _acting(self) -> Array:
        """(trial, time - 1, unit) rates that act on the next bin."""
        return acting_rates(self.network, self.r, self.u)

    def error(self, units: Array) -> Array:
        """Compute the error (trial, time - 1, unit) of the network's prediction of the total current of some units."""
        return error_of_units(self.network, self.y_of_others, self._acting, self.u, units)

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
        return self._sent(source, self.W[:, source.columns][units])

    def excitatory_current(self, source: Source, units: Array | slice = slice(None)) -> Array:
        """Compute the current (trial, time, unit) that a source sends to some units through positive weights."""
        return self._sent(source, np.maximum(self.W[:, source.columns][units], 0))

    def _sent(self, source: Source, W: Array) -> Array:
        """Multiply the activity of a source with weights (unit, column): (trial, time, unit)."""
        # One product of all trials uses several threads better than one product for each trial.
        activity = self.z.reshape(-1, self.z.shape[2])[:, source.span]
        return (activity @ W.T).reshape(*self.z.shape[:2], len(W))

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
        if self.posterior is None or source.name == SELF_ADAPTATION:
            return None
        units, activity, columns = self.region == region, self._mean_activity(trials), source.columns
        variance = mean_current_variance(self._covariances[region], activity, columns, units.sum())
        if self.rate_covariance is not None:
            variance = variance + mean_rate_variance(self.rate_covariance, self.W[units].mean(0), activity, columns)
        return variance

    def _mean_activity(self, trials: Array) -> MeanActivity:
        """Average the activity over some trials, once for all sources and regions."""
        key = trials.tobytes()
        if key not in self._mean_activities:
            self._mean_activities[key] = MeanActivity.of(self.z, trials)
        return self._mean_activities[key]

    @cached_property
    def _mean_activities(self) -> dict[bytes, MeanActivity]:
        """Activity averaged over groups of trials that were asked for."""
        return {}

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
        if self.posterior is None or source.name == SELF_ADAPTATION:
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
    labels, u = labels_of(recording, str(networks.attrs["phi"])), inputs_of(recording)
    hidden = networks["input_hidden"].values
    if hidden.any():
        u = np.concatenate([u, networks["hidden"].values[fit_index]], axis=2)
        labels["input_name"] = networks["input"].values.astype(str)
    activity = _activity(_seen_rates(recording, networks, fit_index, rates), u)
    r = activity[..., : recording.sizes["unit"]]
    return View(**labels, r=r, u=u, activity=activity, hidden=hidden, **_of_fit(networks, fit_index))


def views(recording: xr.Dataset, networks: xr.Dataset, rates: Rates = "inferred") -> list[View]:
    """Combine a recording with every fit of a model, in the order of the seeds; `view` explains the parameters."""
    first = view(recording, networks, 0, rates)
    further = range(1, networks.sizes["seed"])
    if first.hidden.any() or _are_inferred(networks, rates):
        return [first, *(view(recording, networks, fit_index, rates) for fit_index in further)]
    return [first, *(replace(first, **_of_fit(networks, fit_index)) for fit_index in further)]


def _of_fit(networks: xr.Dataset, fit_index: int) -> dict[str, Any]:
    """Collect the fields of `View` that differ between all fits of a model."""
    return {
        "network": network_of(networks, fit_index),
        "posterior": posterior_of(networks, fit_index),
        "process_noise_sd": networks["process_noise_sd"].values[fit_index] if "process_noise_sd" in networks else None,
        "rate_covariance": networks["rate_covariance"].values[fit_index] if "rate_covariance" in networks else None,
        "penalty": networks["penalty"].values[fit_index] if "penalty" in networks else None,
        "factors": factors_of(networks, fit_index),
        "ranks": block_ranks_of(networks, fit_index),
    }


def _are_inferred(networks: xr.Dataset, rates: Rates) -> bool:
    """Return whether the rates that a view shows are rates behind noisy observations."""
    return rates != "observed" and RATE_VARIABLES[rates] in networks


def _seen_rates(recording: xr.Dataset, networks: xr.Dataset, fit_index: int, rates: Rates) -> Iterator[Array]:
    """Yield the rates (trial, time, unit) that a fit sees, a block of trials at a time."""
    values_of_trial = recording.sizes["time"] * recording.sizes["unit"]
    at_once = max(1, ACTIVITY_VALUES // max(values_of_trial, 1))
    phi = str(networks.attrs["phi"])
    scale = rate_scale(recording, phi)
    for start in range(0, recording.sizes["trial"], at_once):
        block = slice(start, start + at_once)
        if not _are_inferred(networks, rates):
            yield scaled_rates(recording.isel(trial=block), phi, scale).values
            continue
        r = networks[RATE_VARIABLES[rates]][fit_index, block].values.astype(float)
        yield r if recording.attrs["activity"] == "model" else np.clip(r, -MAX_SCALED_RATE, MAX_SCALED_RATE)


def _activity(rates: Iterable[Array], u: Array) -> Array:
    """Presynaptic activity [r, u, 1] (trial, time, regressor); inputs and bias are NaN where a rate is missing."""
    activity, start = None, 0
    for r in rates:
        if activity is None:
            activity = np.empty((*u.shape[:2], r.shape[2] + u.shape[2] + 1))
        block = activity[start : start + len(r)]
        block[..., : r.shape[2]] = r
        block[..., r.shape[2] : -1] = u[start : start + len(r)]
        block[..., -1] = 1.0
        block[..., r.shape[2] :][~np.isfinite(r).all(2)] = np.nan
        start += len(r)
    assert activity is not None
    return activity
