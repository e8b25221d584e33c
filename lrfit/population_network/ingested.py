"""Population networks of ingested recordings: activity, inputs, conditions and split come from the recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.recording.counts import require_counts, require_raw
from curbd.recording.fluorescence import is_deconvolved, is_fluorescence
from lrfit.population_network.analysis import Analysis, analyse
from lrfit.population_network.indicator import from_fluorescence
from lrfit.population_network.recording import Recording, from_arrays

Array = np.ndarray


class PopulationFit(NamedTuple):
    """The population network of one recording, with the names of its regions and inputs.

    Attributes
    ----------
    regions : names of the regions, in the order of all indices of regions.
    pathways : one row per pathway between regions: ``target``, ``source``, ``verdict`` (resolved or unresolved),
        ``grounds`` (grounds that fail, joined by commas), ``evidence_nats``, ``share``, ``expected_r2``,
        ``held_out_nats`` and ``held_out_error`` (see `lrfit.population_network.verdict`).
    current : (source, trial, time, unit) current of all sources into every recorded unit, in units of the log rate.
    analysis : the fit and everything that was computed from the fit.
    """

    regions: tuple[str, ...]
    pathways: pd.DataFrame
    current: xr.DataArray
    analysis: Analysis


def fit_populations(
    recording: xr.Dataset,
    dimensions: Sequence[int] | None = None,
    indicator_s: float | None = None,
) -> PopulationFit:
    """Fit a population network to an ingested recording, and judge every pathway between its regions.

    The held-out trials are the test trials of the recording.

    Parameters
    ----------
    recording : ingested recording of spikes or fluorescence without smoothing.
    dimensions : (region,) number of latents of each region, with regions in alphabetical order; None to choose the
        numbers on the test trials.
    indicator_s : decay time of a calcium indicator in seconds, see `from_recording`.

    Raises
    ------
    UserError : the recording holds neither spike counts nor fluorescence.
    """
    data = from_recording(recording, indicator_s)
    regions = tuple(str(region) for region in np.unique(recording["region"]))
    test = recording["split"].to_numpy() == "test"
    analysis = analyse(data, dimensions, test=test)
    return PopulationFit(
        regions=regions,
        pathways=_pathways(analysis, regions),
        current=_labelled_current(analysis, recording, regions),
        analysis=analysis,
    )


def from_recording(recording: xr.Dataset, indicator_s: float | None = None) -> Recording:
    """Construct the recording that a population network reads from an ingested recording of spikes or fluorescence.

    Spike counts come from rates in Hz, or from counts in an HDF5 file (see `curbd.recording.counts`). Fluorescence is
    converted to counts with equal noise (see `lrfit.population_network.indicator`). Regions are numbered in
    alphabetical order.

    Parameters
    ----------
    recording : ingested recording without smoothing.
    indicator_s : decay time of a calcium indicator in seconds; 0 for activity without an indicator that is no count,
        such as deconvolved activity; None for spikes, and to estimate the decay time of fluorescence
        (0 if its name says that it was deconvolved).

    Raises
    ------
    UserError : the activity is smoothed, comes from a model, or consists neither of spike counts nor of fluorescence.
    """
    require_raw(recording)
    region = np.unique(recording["region"], return_inverse=True)[1]
    dt_s, inputs = float(recording.attrs["dt_s"]), recording["inputs"].to_numpy()
    condition = recording["condition"].to_numpy()
    # Blocks of one continuous stretch do not repeat, so that their average is no response.
    evoked = recording.attrs["stretches"] == "trials"
    name = recording.attrs["activity_name"]
    if indicator_s is None and is_fluorescence(name) and is_deconvolved(name):
        indicator_s = 0.0
    if indicator_s is not None or is_fluorescence(name):
        rates = recording["rates"].transpose("trial", "time", "unit").to_numpy()
        return from_fluorescence(rates, region, dt_s, inputs, condition, evoked, indicator_s)
    return from_arrays(require_counts(recording), region, dt_s, inputs, condition, evoked)


def _pathways(analysis: Analysis, regions: Sequence[str]) -> pd.DataFrame:
    verdict = analysis.verdict
    return pd.DataFrame(
        {
            "target": target,
            "source": source,
            "verdict": "resolved" if verdict.resolved[t, s] else "unresolved",
            "grounds": verdict.grounds[t, s],
            "evidence_nats": verdict.evidence.nats[t, s],
            "share": verdict.evidence.share[t, s],
            "expected_r2": verdict.evidence.expected_r2[t, s],
            "held_out_nats": verdict.held_out_nats[t, s],
            "held_out_error": verdict.held_out_error[t, s],
        }
        for t, target in enumerate(regions)
        for s, source in enumerate(regions)
        if t != s
    )


def _labelled_current(analysis: Analysis, recording: xr.Dataset, regions: Sequence[str]) -> xr.DataArray:
    names = {f"region:{index}": region for index, region in enumerate(regions)}
    names |= {f"input:{index}": f"input:{name}" for index, name in enumerate(recording["input"].to_numpy())}
    current = analysis.currents
    coords = {name: recording[name] for name in ("time", "unit", "region", "condition")}
    return xr.DataArray(
        current.current,
        dims=("source", "trial", "time", "unit"),
        coords={"source": [names.get(source, source) for source in current.source], **coords},
        name="current",
    )
