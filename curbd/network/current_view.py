"""What tables of currents ask of a fitted network, of units or of populations."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from curbd.network.activity_moments import ActivityMoments
from curbd.network.sources import Source

Array = np.ndarray


class CurrentView(Protocol):
    """A fitted network as tables of currents see it: `curbd.network.view.View`, or a population network of `lrfit`."""

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

    def excitatory_current(self, source: Source, units: Array | slice = slice(None)) -> Array:
        """Compute the excitatory part (trial, time, unit) of a current; NaN if the network has none."""

    def mean_current_variance(self, source: Source, region: str, trials: Array) -> Array | None:
        """Return the posterior variance (time,) of a current averaged over units and trials; None if not known."""

    def expected_r2(self, source: Source, region: str) -> float:
        """Return the R2 with the true current that the posterior expects; NaN if not known."""
