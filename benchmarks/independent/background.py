"""Two areas under a slow shared background, without a synapse between them: no current may cross.

Published by Xin & Kass (GLM-Transformer, 2025), simulated here by `curbd.teachers.spiking_areas`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import xarray as xr

import curbd
from benchmarks.independent import pairs
from benchmarks.independent.answers import Answer
from benchmarks.independent.networks import fitted, session, training_rates
from curbd.network.view import View
from curbd.teachers.spiking_areas import SpikingAreas, spiking_areas
from lrfit.population_network.ingested import fit_populations

SHARE = "share of B's current from A, no coupling"
FOUND = "share of B's current from A, true coupling"
SEEDS = range(10)
SYNAPSE_MV = 0.1
SPIKE_DEFAULTS: dict[str, object] = {"bin_width_s": 0.05, "smoothing_s": 0.0}
"""Bin width of spikes in NWB files, and the smoothing of both models that spikes get, by default."""
MODEL = curbd.Model(family="full_rank", seeds=[0])


def answers(files: list[Path]) -> Iterator[Answer]:
    """Does a slow shared background pass for a current between areas?"""
    for synapse_mv, question in ((0.0, SHARE), (SYNAPSE_MV, FOUND)):
        for seed in SEEDS:
            areas = spiking_areas(synapse_mv=synapse_mv, seed=seed)
            recording = _recorded(areas)
            share = _share(curbd.view(recording, fitted(recording, MODEL)))
            yield Answer(question, f"seed {seed}", "one_step (default)", "model", share)
            pathways = fit_populations(recording).pathways
            of_populations = float(pathways.loc[pathways["target"] == "B", "share"].item())
            yield Answer(question, f"seed {seed}", "population (default)", "model", of_populations)
            weights = pairs.autoregression(training_rates(recording))[areas.region == 1]
            plain = float((weights[:, areas.region == 0] ** 2).sum() / (weights**2).sum())
            yield Answer(question, f"seed {seed}", "VAR(1) ridge, squared weights", "baseline", plain)
    yield Answer(SHARE, "seed 0", "no synapse", "ceiling", 0.0)


def _recorded(areas: SpikingAreas) -> xr.Dataset:
    """The spike counts as a recording, with the bin width that spikes get by default and without smoothing."""
    trials, bins, units = areas.activity.shape
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "areas.h5"
        with h5py.File(path, "w") as file:
            file["rates"] = areas.activity / areas.bin_s
            file["time"] = (np.arange(bins) + 0.5) * areas.bin_s
            file["region"] = ["AB"[area] for area in areas.region]
            file["unit_id"] = [f"u{unit}" for unit in range(units)]
            file["trial/number"] = np.arange(trials)
        return session(path, SPIKE_DEFAULTS).recording


def _share(fit: View) -> float:
    """Share of the variance of all currents into B that comes from A."""
    rows = fit.region == "B"
    power = {source.name: float(np.nanvar(fit.current(source, rows), axis=(0, 1)).sum()) for source in fit.sources}
    return power["A"] / sum(power.values())
