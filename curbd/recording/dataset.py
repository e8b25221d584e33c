"""The dataset of a recording, the dataset of the true network behind it, and the tables of its units and regions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from curbd.recording.activity import Activity
from curbd.recording.cells import cell_text
from curbd.recording.input_sources import KnownInputs
from curbd.recording.recording_file import RecordingFile, TrueCurrents
from curbd.recording.scaling import scaled_rates
from curbd.recording.selection import Selection
from curbd.settings.places import is_remote
from curbd.settings.recording import RecordingSettings
from curbd.storage import RESULTS_VERSION
from curbd.storage.checksum import sha256

Array = np.ndarray
RECORDING_NAMES = {
    *("rates", "inputs", "trial", "time", "unit", "input"),
    *("unit_id", "region", "region_raw", "region_source", "cell_type", "cell_type_source"),
    *("x", "y", "z", "scale", "mean_rate_hz"),
    *("condition", "split", "start_s"),
}
"""Names that the dataset of a recording uses itself; a trial column with such a name becomes ``trial_<name>``."""


def recording_dataset(
    *,
    file: RecordingFile,
    settings: RecordingSettings,
    name: str,
    activity: Activity,
    inputs: KnownInputs,
    selection: Selection,
    scale: Array,
    condition: Array,
    splits: Array,
    checksum: bool = True,
) -> xr.Dataset:
    """Construct the dataset of a recording, with named dimensions, as it is stored in `recording.nc`.

    Parameters
    ----------
    file : the opened file.
    settings : the settings of the recording, which are stored as JSON.
    name : name of the recording.
    activity : trials and rates of the kept units.
    inputs : the known inputs on the bins of the trials.
    selection : the units of the file that are kept.
    scale : (unit,) scale of each kept unit, in the units of the rates.
    condition : (trial,) conditions.
    splits : (trial,) ``train`` or ``test``.
    checksum : whether to compute the checksum of the file, for which all of it is read.

    Returns
    -------
    rates (trial, time, unit), NaN where missing, and inputs (trial, time, input), 0 where rates are missing, with the
    coordinates of trials, time, units and inputs.
    """
    trials, kept = activity.trials, selection.kept
    return xr.Dataset(
        {
            "rates": (("trial", "time", "unit"), activity.rates, {"units": activity.unit}),
            "inputs": (("trial", "time", "input"), inputs.values),
        },
        coords={
            **_trial_coords(trials.columns),
            "time": ("time", trials.time_s, {"units": "s"}),
            "input": ("input", np.array(inputs.names, dtype=str)),
            **unit_coords(file.units.iloc[kept]),
            "scale": ("unit", scale),
            "mean_rate_hz": ("unit", selection.mean_rate_hz[kept]),
            "condition": ("trial", condition.astype(str)),
            "split": ("trial", splits),
            "start_s": ("trial", trials.zero_s),
        },
        attrs=_attributes(file, settings, name, activity, inputs, checksum),
    )


def truth_dataset(
    file: RecordingFile, kept: Array, activity: Activity, input_names: Sequence[str]
) -> xr.Dataset | None:
    """Construct the dataset of the true network among the kept units; None if the file holds no true network.

    An input that the file does not declare has a true weight of 0.

    Parameters
    ----------
    file : the opened file.
    kept : (kept unit,) indices among the units of the file.
    activity : trials and, if the file holds one, the external drive in their bins.
    input_names : names of all inputs; inputs that the file declares come first.

    Returns
    -------
    Recurrent weights J (target, source), input weights B (target, input), bias b (target,) and, if the file holds them,
    the external current drive (trial, time, unit), in the (dimensionless) units of the state x in tau dx/dt = -x + J r
    + B u + b + drive, the strengths adaptation (target,) of adapting units, and time constants unit_tau_s (target,).
    """
    truth = file.truth
    if truth is None:
        return None
    B = np.zeros((len(kept), len(input_names)))
    B[:, : truth.B.shape[1]] = truth.B[kept]
    variables: dict[str, Any] = {
        "J": (("target", "source"), truth.J[np.ix_(kept, kept)]),
        "B": (("target", "input"), B),
        "b": ("target", truth.b[kept]),
    }
    if activity.drive is not None:
        variables["drive"] = (("trial", "time", "unit"), activity.drive[:, :, kept])
    if truth.adaptation is not None:
        variables["adaptation"] = ("target", truth.adaptation[kept])
    if truth.unit_tau_s is not None:
        variables["unit_tau_s"] = ("target", truth.unit_tau_s[kept])
    dt_s = activity.trials.dt_s
    # A wider bin holds more Euler steps of the same length, so that the true network runs as it did in the teacher.
    attrs = {
        "tau_s": truth.tau_s,
        "dt_s": dt_s,
        "substeps": truth.substeps * max(1, round(dt_s / truth.dt_s)),
        "nonlinearity": file.nonlinearity,
    }
    if truth.adaptation is not None:
        attrs["adaptation_tau_s"] = truth.adaptation_tau_s
    return xr.Dataset(variables, attrs=attrs)


def true_current_dataset(true_currents: TrueCurrents, kept: Array, activity: Activity) -> xr.Dataset | None:
    """Construct the dataset of the true currents of a teacher of populations; None if the activity is one stretch.

    Parameters
    ----------
    true_currents : the true currents of the file.
    kept : (kept unit,) indices among the units of the file.
    activity : trials and the true currents in their bins.

    Returns
    -------
    The variable current (source, trial, time, unit), in units of the log rate of the unit, and the names of the
    sources.
    """
    if activity.true_currents is None:
        return None
    current = np.moveaxis(activity.true_currents[..., kept], 2, 0)
    return xr.Dataset(
        {"current": (("source", "trial", "time", "unit"), current)}, {"source": list(true_currents.source)}
    )


def units_table(file: RecordingFile, name: str, selection: Selection, scale: Array) -> pd.DataFrame:
    """Construct the table ``units``: one row per unit of the file, with the reason if the unit is not kept.

    Parameters
    ----------
    file : the opened file.
    name : name of the recording.
    selection : which units are kept, and the mean rate of each unit.
    scale : (kept unit,) scale of each kept unit, in the units of the rates; NaN in the table for all other units.

    Returns
    -------
    The table.
    """
    columns = ["unit_id", "region", "region_raw", "region_source", "cell_type", "cell_type_source"]
    all_scales = np.full(len(file.units), np.nan)
    all_scales[selection.kept] = scale
    return (
        file.units[columns]
        .reset_index(drop=True)
        .assign(
            recording=name,
            kept=selection.reasons == "",
            reason=selection.reasons,
            mean_rate_hz=selection.mean_rate_hz,
            scale=all_scales,
        )
    )


def regions_table(recording: xr.Dataset) -> pd.DataFrame:
    """Construct the table ``regions``: how much there is to fit in each region, by scaled rates of the training trials.

    The participation ratio of a covariance C is ``trace(C)**2 / trace(C**2)``.
    """
    train = recording["split"].to_numpy() == "train"
    training = recording.isel(trial=train)
    complete = np.isfinite(training["rates"].to_numpy()).all(axis=2)
    region_of_unit = recording["region"].to_numpy()
    rows = []
    for region in np.unique(region_of_unit):
        samples = scaled_rates(training.isel(unit=region_of_unit == region)).to_numpy()[complete]
        covariance = np.atleast_2d(np.cov(samples, rowvar=False))
        ratio = float(np.trace(covariance) ** 2 / (covariance**2).sum())
        rows.append(
            {
                "recording": recording.attrs["recording"],
                "region": str(region),
                "n_units": int((region_of_unit == region).sum()),
                "participation_ratio": ratio,
                "n_trials": int(train.sum()),
                "n_samples": int(complete.sum()),
                "samples_per_dimension": complete.sum() / ratio,
            }
        )
    return pd.DataFrame(rows)


def _trial_coords(columns: pd.DataFrame) -> dict[str, Any]:
    """Trial columns as coordinates: numbers and flags unchanged, everything else as text."""
    coords = {}
    for column, cells in columns.items():
        name = str(column).replace("/", "_")
        plain = cells.dtype.kind in "biuf"
        values = cells.to_numpy() if plain else np.array([cell_text(cell) for cell in cells], dtype=str)
        coords[f"trial_{name}" if name in RECORDING_NAMES else name] = ("trial", values)
    return coords


def unit_coords(units: pd.DataFrame) -> dict[str, Any]:
    """Convert rows of the unit table of a file to coordinates of the dimension ``unit``."""
    texts = ("unit_id", "region", "region_raw", "region_source", "cell_type", "cell_type_source")
    coords: dict[str, Any] = {
        column: ("unit", np.array([str(value) for value in units[column]], dtype=str)) for column in texts
    }
    # `unit` repeats `unit_id` as the label of the dimension, so that `recording.sel(unit="A1")` works.
    return {"unit": coords["unit_id"]} | coords | {axis: ("unit", units[axis].to_numpy(dtype=float)) for axis in "xyz"}


def _checksum(file: RecordingFile) -> str:
    """The checksum of a file; '' for data in memory, and for a file on a server, all of which would be fetched."""
    return "" if file.format == "memory" or is_remote(file.path) else sha256(file.path)


def _attributes(
    file: RecordingFile,
    settings: RecordingSettings,
    name: str,
    activity: Activity,
    inputs: KnownInputs,
    checksum: bool,
) -> dict[str, Any]:
    trials = activity.trials
    resolved = settings.model_dump(mode="json", include=set(RecordingSettings.model_fields))
    resolved |= {"bin_width_s": trials.dt_s, "smoothing_s": activity.smoothing_s}
    n_missing, n_inside = int((trials.inside & ~activity.observed).sum()), int(trials.inside.sum())
    notes = [*file.notes, *trials.notes, *filter(None, [trials.cut]), *inputs.notes]
    if n_missing:
        notes.append(f"{n_missing} of {n_inside} bins are missing (NaN).")
    return {
        "recording": name,
        "subject": settings.subject or file.subject or name,
        "session": settings.session or file.session or name,
        "path": str(file.path),
        "sha256": _checksum(file) if checksum else "",
        "format": file.format,
        "activity": "model" if file.already_phi else "rates",
        "nonlinearity": file.nonlinearity if file.already_phi else "tanh",
        # The scaled rate of a unit that does not fire.
        "silent": -1.0 if settings.scaling == "counts" and not file.already_phi else 0.0,
        "activity_name": file.activity_name,
        "stretches": "blocks" if trials.blocks else "trials",
        "dt_s": trials.dt_s,
        "smoothing_s": activity.smoothing_s,
        "settings": json.dumps(resolved, sort_keys=True),
        "notes": "\n".join(note.replace("\n", " ") for note in notes),
        "results_version": RESULTS_VERSION,
    }
