"""The fits of one model as the verdict and the nulls see them; what both need is computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import xarray as xr

from curbd.network.view import RATE_VARIABLES, View, view, views
from curbd.pathways.current_regression import CurrentRegression, current_regression


@dataclass(frozen=True)
class JudgedFits:
    """The fits of one model to a recording.

    Attributes
    ----------
    recording : the recording that was fitted.
    networks : the fits of one model to the recording.
    """

    recording: xr.Dataset
    networks: xr.Dataset

    @cached_property
    def fits(self) -> list[View]:
        """Every fitted network with the recording as the fit sees it."""
        return views(self.recording, self.networks)

    @cached_property
    def drawn(self) -> View:
        """The first fitted network; with drawn rates if the fit inferred the rates behind noisy observations."""
        if RATE_VARIABLES["drawn"] not in self.networks:
            return self.fits[0]
        return view(self.recording, self.networks, rates="drawn")

    @cached_property
    def observed(self) -> View:
        """The first fitted network with the observed rates."""
        if RATE_VARIABLES["inferred"] not in self.networks:
            return self.fits[0]
        return view(self.recording, self.networks, rates="observed")

    @cached_property
    def regression(self) -> CurrentRegression:
        """The regression of all currents on all sources, with the drawn rates and the penalties of the first fit."""
        return current_regression(self.drawn)
