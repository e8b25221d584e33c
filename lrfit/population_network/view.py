"""A recording as a fitted population network sees it: the currents of all sources into every recorded unit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from curbd.network.activity_moments import ActivityMoments
from curbd.network.recorded import Recorded, recorded
from curbd.network.sources import BIAS, SELF_HISTORY, Source
from lrfit.population_network.currents import mean_current_variance
from lrfit.population_network.echo import source_weights
from lrfit.population_network.file import Fitted, fitted_of, indicator_of, verdict_of
from lrfit.population_network.history import as_read, self_history_current
from lrfit.population_network.ingested import from_recording
from lrfit.population_network.model import curved
from lrfit.population_network.paths import spreads
from lrfit.population_network.recording import Recording, time_first
from lrfit.population_network.verdict import Verdict

Array = np.ndarray
EVOKED = "input:evoked"
"""Source of the average responses of the conditions."""
CURRENT_UNIT = "units of the log rate"


@dataclass(frozen=True)
class PopulationView(Recorded):
    """A recording as a population network sees it, with the doors of `curbd.network.current_view.CurrentView`.

    The regressors z of the currents are the curved latents f(z) of all regions and hidden drives, then the known
    sources, then what the own past spikes of every unit add to its log rate; the weights W are those into the log rates
    of the recorded units.

    Attributes
    ----------
    fitted : the fitted network with the posterior of the latents.
    data : the recording as the network reads it.
    verdict : verdicts on the pathways of the first fit.
    """

    fitted: Fitted
    data: Recording
    verdict: Verdict

    @cached_property
    def sources(self) -> list[Source]:
        """All sources of currents: regions, inputs, hidden drives, average responses, the bias, and the own history."""
        group, names = self.fitted.model.group, np.array(self.data.source_name)
        known = len(group) + np.arange(len(names))
        sources = [Source(region, np.flatnonzero(group == index)) for index, region in enumerate(self.regions)]
        sources += [
            Source(f"input:{name}", known[names == f"input:{index}"]) for index, name in enumerate(self.input_name)
        ]
        sources += [
            Source(f"input:hidden_{drive + 1}", np.flatnonzero(group == len(self.regions) + drive))
            for drive in range(self.n_drives)
        ]
        if "evoked" in names:
            sources.append(Source(EVOKED, known[names == "evoked"]))
        sources.append(Source(BIAS, known[names == BIAS]))
        if self.data.past is not None:
            sources.append(Source(SELF_HISTORY, len(group) + len(names) + np.arange(len(self.region))))
        return sources

    @property
    def pathway_sources(self) -> list[Source]:
        """All sources but the bias."""
        return [source for source in self.sources if source.name != BIAS]

    @property
    def n_drives(self) -> int:
        """Number of hidden common drives."""
        return int(self.fitted.model.group.max()) + 1 - len(self.regions)

    @cached_property
    def W(self) -> Array:
        """(unit, regressor) weights into the log rate of every unit."""
        weights = source_weights(self.fitted.model, self.fitted.echo)
        return weights if self.data.past is None else np.concatenate([weights, np.eye(len(weights))], 1)

    @cached_property
    def z(self) -> Array:
        """(trial, time, regressor) curved latents, known sources, own history; NaN in bins that were not observed."""
        model, paths = self.fitted.model, self.fitted.paths
        value = curved(model, paths.mean, spreads(model, self.data, paths)).value
        own = [] if self.data.past is None else [self_history_current(model, self.data)]
        z = np.moveaxis(np.concatenate([value, self.data.sources, *own], 2), 1, 0)
        return np.where(self.observed[..., None], z, np.nan)

    @cached_property
    def activity_moments(self) -> ActivityMoments:
        """Moments of the regressors over all complete bins."""
        return ActivityMoments.of(self.z)

    def current(self, source: Source, units: Array | slice = slice(None)) -> Array:
        """Compute the current (trial, time, unit) that a source sends to some units; NaN where a bin is missing."""
        return self.z[..., source.columns] @ self.W[units][:, source.columns].T

    def excitatory_current(self, source: Source, units: Array | slice = slice(None)) -> Array:
        """Return NaN (trial, time, unit): the signs of the weights of single units are not part of the model."""
        return np.full_like(self.r[..., units], np.nan)

    def mean_current_variance(self, source: Source, region: str, trials: Array) -> Array | None:
        """Return the posterior variance of a current averaged over the units of a region and over trials.

        Parameters
        ----------
        source : a source of the view.
        region : name of the target region.
        trials : (trial,) bool or indices of the trials.

        Returns
        -------
        (time,) variance, in squared units of the log rate; None for known sources.
        """
        if source.name not in self.regions:
            return None
        fitted, index = self.fitted, self.regions.index(source.name)
        seen = time_first(self.observed)
        return mean_current_variance(
            fitted.model,
            self.data._replace(inside=seen),
            fitted.paths,
            fitted.weight_covariance,
            index,
            self.region == region,
            np.isin(np.arange(len(self.condition)), np.arange(len(self.condition))[trials]),
            fitted.echo,
        )

    def expected_r2(self, source: Source, region: str) -> float:
        """Return the expected R2 with the true current; NaN for currents within a region and of known sources."""
        if source.name not in self.regions:
            return float("nan")
        expected = self.verdict.evidence.expected_r2
        return float(expected[self.regions.index(region), self.regions.index(source.name)])


def population_views(recording: xr.Dataset, networks: xr.Dataset) -> list[PopulationView]:
    """Combine a recording with every fit of a population network, in the order of the seeds.

    Parameters
    ----------
    recording : the recording that was fitted.
    networks : the content of network.nc.
    """
    shared, data, judged = recorded(recording), from_recording(recording, indicator_of(networks)), verdict_of(networks)
    fields = {name: getattr(shared, name) for name in Recorded.__dataclass_fields__}
    fits = [fitted_of(networks, fit_index) for fit_index in range(networks.sizes["seed"])]
    return [PopulationView(**fields, fitted=fit, data=as_read(fit.model, data), verdict=judged) for fit in fits]
