"""The table of pathways of a population network in a time window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import xarray as xr

from curbd.network.recorded import Recorded, recorded
from curbd.pathways.window_table import TimeWindow
from lrfit.population_network.echo import estimate_echo
from lrfit.population_network.evidence import posterior_covariance
from lrfit.population_network.file import Fitted, fitted_of, indicator_of
from lrfit.population_network.history import as_read
from lrfit.population_network.ingested import from_recording
from lrfit.population_network.pathway_table import pathway_table
from lrfit.population_network.recording import subset
from lrfit.population_network.view import PopulationView
from lrfit.population_network.window_verdict import in_bins, window_verdict


def population_judge(recording: xr.Dataset, networks: xr.Dataset) -> Callable[[TimeWindow], pd.DataFrame]:
    """Construct the function that judges the pathways of a population network in a time window.

    Parameters
    ----------
    recording : the recording that was fitted.
    networks : the content of network.nc.

    Returns
    -------
    A function that fits the first network again to the training trials in a window, and returns the table ``pathways``
    of this fit.
    """
    model = fitted_of(networks, 0).model
    data = as_read(model, from_recording(recording, indicator_of(networks)))
    is_train = recording["split"].to_numpy() == "train"
    train = np.flatnonzero(is_train)
    training, held_out = subset(data, train), subset(data, np.flatnonzero(~is_train))
    common_nats, latents_suffice = float(networks["common_drive_nats"]), bool(networks["latents_suffice"])

    def judged(window: TimeWindow) -> pd.DataFrame:
        fit, verdict = window_verdict(model, training, held_out, window.bins, common_nats, latents_suffice)
        inside = in_bins(training, window.bins)
        fitted = Fitted(
            model=fit.model,
            paths=fit.paths,
            weight_covariance=posterior_covariance(fit, inside),
            echo=estimate_echo(fit.model, inside, fit.paths),
        )
        lasting = train[training.inside[window.bins[1]]]
        shared = recorded(recording.isel(time=window.bins, trial=lasting))
        fields = {name: getattr(shared, name) for name in Recorded.__dataclass_fields__}
        return pathway_table([PopulationView(**fields, fitted=fitted, data=inside, verdict=verdict)], networks)

    return judged
