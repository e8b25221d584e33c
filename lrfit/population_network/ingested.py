"""Population networks of ingested recordings: spike counts, inputs, conditions and split come from the recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.errors import UserError
from curbd.recording.counts import spike_counts
from lrfit.population_network.analysis import Analysis, analyse
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
    tau_s: float | None = 0.1,
    max_drives: int = 1,
) -> PopulationFit:
    """Fit a population network to an ingested recording of spikes, and judge every pathway between its regions.

    The held-out trials are the test trials of the recording.

    Parameters
    ----------
    recording : ingested recording of spikes without smoothing.
    dimensions : (region,) number of latents of each region, with regions in alphabetical order; None to choose the
        numbers on the test trials.
    tau_s : time constant of the units in seconds; None for a network without a leak, in which the past of a region
        counts as a current from the region to itself.
    max_drives : largest number of hidden common drives to try.

    Raises
    ------
    UserError : the recording does not hold spike counts.
    """
    data = from_recording(recording)
    regions = tuple(str(region) for region in np.unique(recording["region"]))
    test = recording["split"].to_numpy() == "test"
    analysis = analyse(data, dimensions, tau_s=tau_s, max_drives=max_drives, test=test)
    return PopulationFit(
        regions=regions,
        pathways=_pathways(analysis, regions),
        current=_labelled_current(analysis, recording, regions),
        analysis=analysis,
    )


def from_recording(recording: xr.Dataset) -> Recording:
    """Construct the recording that a population network reads from an ingested recording of spikes.

    Spike counts come from rates in Hz, or from counts in an HDF5 file (see `curbd.recording.counts`). Regions are
    numbered in alphabetical order.

    Parameters
    ----------
    recording : ingested recording of spikes without smoothing.

    Raises
    ------
    UserError : the activity is smoothed, comes from a model, or does not consist of spike counts.
    """
    return from_arrays(
        _require_counts(recording),
        np.unique(recording["region"], return_inverse=True)[1],
        float(recording.attrs["dt_s"]),
        recording["inputs"].to_numpy(),
        recording["condition"].to_numpy(),
        # Blocks of one continuous stretch do not repeat, so that their average is no response.
        evoked=recording.attrs["stretches"] == "trials",
    )


def _require_counts(recording: xr.Dataset) -> Array:
    """Return the spike counts per bin (trial, time, unit), or stop if the activity does not consist of counts."""
    where = f"{recording.attrs['recording']} ({recording.attrs['path']})"
    expected = "spike counts without smoothing, which a population network needs"
    smoothing_s = float(recording.attrs["smoothing_s"])
    if recording.attrs["activity"] == "model":
        raise UserError.at(
            where,
            found="rates simulated by a model network",
            expected=expected,
            todo="fit a recording of spikes instead",
        )
    if smoothing_s:
        raise UserError.at(
            where,
            found=f"activity smoothed over {smoothing_s:g} s",
            expected=expected,
            todo="set smoothing_s: 0 and ingest the recording again",
        )
    counts = spike_counts(recording)
    if counts is None:
        raise UserError.at(
            where,
            found="rates that are not a whole number of spikes per bin",
            expected=expected,
            todo="read the spike times of the file, or store the activity of an HDF5 file as spike counts per bin, or "
            "as spike counts divided by the bin width in seconds",
        )
    return counts


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
