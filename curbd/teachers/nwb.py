"""Conversion of a teacher to an NWB file, as a laboratory would write it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from pynwb import NWBFile, TimeSeries
from pynwb.ophys import Fluorescence, ImageSegmentation, OpticalChannel

if TYPE_CHECKING:
    from curbd.teachers.teacher import Teacher

PAUSE_S = 1.0
"""Time between two trials, s."""


def nwb_file(teacher: Teacher, unit_ids: list[str], peak_rate_hz: float | None, rng: np.random.Generator) -> NWBFile:
    """Construct an NWB file in memory: table of trials, inputs as time series, and units as spikes or ROI responses.

    Parameters
    ----------
    teacher : the recording and its network, which is not written.
    unit_ids : (unit,) names of the units.
    peak_rate_hz : spike rate at r = 1, Hz; None writes ROI responses instead of spikes.
    rng : random generator of the spikes.

    Returns
    -------
    The file, which is not yet on disk.
    """
    file = NWBFile("Teacher network with known currents", "teacher", datetime(2020, 1, 1, tzinfo=UTC))
    dt_s, n_samples = teacher.network.dt_s, len(teacher.time_s)
    period = n_samples + round(PAUSE_S / dt_s)
    for column in teacher.trials:
        file.add_trial_column(str(column), f"{column} of the trial")
    for trial, row in enumerate(teacher.trials.to_dict("records")):
        start = trial * period * dt_s
        file.add_trial(start_time=start, stop_time=start + n_samples * dt_s, **{str(k): v for k, v in row.items()})
    for column, name in enumerate(teacher.input_name):
        values = _one_after_another(teacher.inputs[..., column : column + 1], period)[:, 0]
        series = TimeSeries(name=name, data=np.nan_to_num(values), unit="a.u.", rate=1 / dt_s, starting_time=0.0)
        file.add_stimulus(series)
    if peak_rate_hz is None:
        _add_responses(file, teacher, _one_after_another(teacher.rates, period), 1 / dt_s)
    else:
        _add_spikes(file, teacher, unit_ids, peak_rate_hz, period, rng)
    return file


def _one_after_another(trials: np.ndarray, period: int) -> np.ndarray:
    """(trial, time, column) -> (sample, column): trials in a row, each of ``period`` samples, NaN in the pauses."""
    padded = np.full((len(trials), period, trials.shape[2]), np.nan)
    padded[:, : trials.shape[1]] = trials
    return padded.reshape(-1, trials.shape[2])


def _add_responses(file: NWBFile, teacher: Teacher, rates: np.ndarray, rate_hz: float) -> None:
    device = file.create_device("microscope")
    segmentation, fluorescence = ImageSegmentation(), Fluorescence()
    module = file.create_processing_module("ophys", "responses")
    module.add(segmentation)
    module.add(fluorescence)
    for label in dict.fromkeys(teacher.region):
        channel = OpticalChannel(name=f"channel_{label}", description="none", emission_lambda=500.0)
        plane = file.create_imaging_plane(
            name=f"plane_{label}",
            optical_channel=channel,
            description="simulated",
            device=device,
            excitation_lambda=900.0,
            indicator="none",
            location=str(label),
        )
        table = segmentation.create_plane_segmentation("simulated units", plane, f"units_{label}")
        inside = np.flatnonzero(teacher.region == label)
        for unit in range(len(inside)):
            table.add_roi(pixel_mask=[(unit, 0, 1.0)])
        rois = table.create_roi_table_region("all units", region=list(range(len(inside))))
        fluorescence.create_roi_response_series(
            f"rates_{label}", data=rates[:, inside], rois=rois, unit="a.u.", rate=rate_hz, starting_time=0.0
        )


def _add_spikes(
    file: NWBFile, teacher: Teacher, unit_ids: list[str], peak_rate_hz: float, period: int, rng: np.random.Generator
) -> None:
    device = file.create_device("probe")
    electrode_of_region = {}
    for electrode, label in enumerate(dict.fromkeys(teacher.region)):
        group = file.create_electrode_group(f"shank_{label}", "simulated", str(label), device)
        file.add_electrode(location=str(label), group=group)
        electrode_of_region[label] = electrode
    file.add_unit_column("unit_name", "name of the unit in the teacher")
    dt_s = teacher.network.dt_s
    counts = rng.poisson(peak_rate_hz * dt_s * (1 + teacher.rates) / 2)
    start_s = np.arange(len(counts))[:, None] * period * dt_s + teacher.time_s[None]
    for unit, (name, label) in enumerate(zip(unit_ids, teacher.region, strict=True)):
        begin = np.repeat(start_s.ravel(), counts[..., unit].ravel())
        times = np.sort(begin + dt_s * rng.random(len(begin)))
        file.add_unit(spike_times=times, electrodes=[electrode_of_region[label]], unit_name=name)
