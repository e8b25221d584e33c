"""A recording file becomes a recording: trials on bins, inputs, kept units, the split, and the tables of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from curbd.errors import UserError
from curbd.recording import open_recording
from curbd.recording.activity import Activity, read_activity
from curbd.recording.cells import said
from curbd.recording.inputs import known_inputs, require_known
from curbd.recording.perturbed import without_perturbed
from curbd.recording.recording_file import RecordingFile
from curbd.recording.scaling import count_scales, scaled_rates, scales
from curbd.recording.selection import mean_rates, reasons_of, require_units, small_regions
from curbd.recording.splits import split
from curbd.recording.windows import conditions
from curbd.settings.recording import RecordingSettings
from curbd.storage import RESULTS_VERSION, sha256


def ingest_file(
    path: Path | str, settings: RecordingSettings | None = None, name: str | None = None
) -> tuple[xr.Dataset, xr.Dataset | None, pd.DataFrame, pd.DataFrame]:
    """Open a file and turn it into a recording.

    Parameters
    ----------
    path : the file; NWB where its suffix is ``.nwb``, else HDF5.
    settings : how to read it; None for the defaults.
    name : of the recording; None for that of the file without its suffix.

    Returns
    -------
    recording, truth, units, regions : see `ingest`.

    Raises
    ------
    UserError : a file that cannot be opened (see `curbd.recording.open_recording`), and as `ingest`.
    """
    settings = RecordingSettings() if settings is None else settings
    name = Path(path).stem if name is None else name
    with open_recording(path, "nwb" if Path(path).suffix == ".nwb" else "hdf5", settings, name) as file:
        return ingest(file, settings, name)


def ingest(
    file: RecordingFile, settings: RecordingSettings, name: str
) -> tuple[xr.Dataset, xr.Dataset | None, pd.DataFrame, pd.DataFrame]:
    """Turn an opened file into a recording.

    The same file and settings give the same recording to the last bit. Trials with a real perturbation are left out:
    `curbd.recording.perturbed.perturbed_trials` reads them.

    Parameters
    ----------
    file : the opened file.
    settings : how to read it.
    name : of the recording.

    Returns
    -------
    recording : rates (trial, time, unit), NaN where missing; inputs (trial, time, input), 0 where there are no rates.
    truth : the network behind a teacher, restricted to the kept units, else None; never for an estimator.
    units : table ``units``, every unit of the file.
    regions : table ``regions``.

    Raises
    ------
    UserError : settings that do not fit the file, no unit left, or NaN everywhere.
    """
    where = f"{name} ({file.path})"
    reasons = file.units["reason"].to_numpy(dtype=object).copy()
    require_units(reasons.tolist(), where)
    candidates = np.flatnonzero(reasons == "")
    activity = read_activity(file, candidates, settings, where)
    if not np.isfinite(activity.rates).any():
        raise UserError.at(
            f"{where}: {file.activity_name}",
            found="NaN everywhere in the windows",
            expected="activity",
            todo="look at the windows and at the dataset (curbd inspect)",
        )
    activity = without_perturbed(activity.without_empty_trials(), settings, where)
    condition = conditions(activity.trials.columns, settings.windows.conditions, where)
    splits = split(condition, settings.test_fraction, settings.split_seed)
    train = splits == "train"

    mean_rate_hz = np.full(len(file.units), np.nan)
    mean_rate_hz[candidates] = mean_rates(activity.mean_rate_hz[train], activity.rates[train])
    reasons[candidates] = reasons_of(activity.rates, train, mean_rate_hz[candidates], settings.units)
    small = small_regions(file.units["region"].tolist(), reasons == "", settings.units)
    reasons = np.where(small != "", small, reasons)
    require_units(reasons.tolist(), where)
    kept = np.flatnonzero(reasons == "")
    among = np.isin(candidates, kept)
    rates = activity.rates[:, :, among]
    observed = np.isfinite(rates).all(axis=2)
    rates = np.where(observed[:, :, None], rates, np.nan)
    if not (observed[train].sum() > 1 and observed[~train].any()):
        raise UserError.at(
            f"{where}: {file.activity_name}",
            found=f"{int(observed[train].sum())} training and {int(observed[~train].sum())} test bins with all units",
            expected="two trials or blocks at least in which all kept units were recorded",
            todo="look at the windows, or leave out units that were recorded at other times (units.select)",
        )
    if file.already_phi:
        scale = np.ones(len(kept))
    else:
        scale = (count_scales if settings.scaling == "counts" else scales)(rates, train)

    known, names, input_notes = _inputs(file, settings, activity, observed, where)
    missing = int((activity.trials.inside & ~observed).sum())
    gaps = [f"{missing} of {int(activity.trials.inside.sum())} bins are missing (NaN)."] if missing else []
    notes = [*file.notes, *activity.trials.notes, *input_notes, *gaps]

    all_scales = np.full(len(file.units), np.nan)
    all_scales[kept] = scale
    units = _units_table(file, name, reasons, mean_rate_hz, all_scales)
    trials = activity.trials
    recording = xr.Dataset(
        {
            "rates": (("trial", "time", "unit"), rates, {"units": activity.unit}),
            "inputs": (("trial", "time", "input"), known),
        },
        coords={
            **_trial_coords(trials.columns),
            "time": ("time", trials.time_s, {"units": "s"}),
            "input": ("input", np.array(names, dtype=str)),
            **_unit_coords(file.units.iloc[kept]),
            "scale": ("unit", scale),
            "mean_rate_hz": ("unit", mean_rate_hz[kept]),
            "condition": ("trial", condition.astype(str)),
            "split": ("trial", splits),
            "start_s": ("trial", trials.zero_s),
        },
        attrs=_attrs(file, settings, name, activity, notes),
    )
    return recording, _truth(file, kept, activity, names), units, _regions_table(recording)


def _inputs(
    file: RecordingFile, settings: RecordingSettings, activity: Activity, observed: np.ndarray, where: str
) -> tuple[np.ndarray, list[str], list[str]]:
    """Inputs that the file declares, then those that the settings ask for."""
    declared = activity.inputs
    if activity.input_names:
        todo = "fill the missing values, or leave the input out"
        require_known(declared, observed, activity.input_names, f"{where}: inputs", todo)
    asked, names, notes = known_inputs(file, settings.inputs, activity.trials, observed, where)
    both = [*activity.input_names, *names]
    if repeated := sorted({each for each in both if both.count(each) > 1}):
        raise UserError.at(
            f"{where}: inputs", found=f"the name {repeated[0]} twice", expected="a name of its own for each input"
        )
    return np.concatenate([np.where(observed[:, :, None], declared, 0.0), asked], axis=2), both, notes


RESERVED = {"rates", "inputs", "trial", "time", "unit", "input", "unit_id", "region", "region_raw", "region_source"}
RESERVED |= {"cell_type", "x", "y", "z", "scale", "mean_rate_hz", "condition", "split", "start_s"}
"""Names of the recording itself; a trial column of that name becomes ``trial_<name>``."""


def _trial_coords(columns: pd.DataFrame) -> dict[str, Any]:
    """Numbers and flags as they are, all else as text."""
    coords = {}
    for column, cells in columns.items():
        name = str(column).replace("/", "_")
        plain = cells.dtype.kind in "biuf"
        values = cells.to_numpy() if plain else np.array([said(cell) for cell in cells], dtype=str)
        coords[f"trial_{name}" if name in RESERVED else name] = ("trial", values)
    return coords


def _unit_coords(units: pd.DataFrame) -> dict[str, Any]:
    texts = ("unit_id", "region", "region_raw", "region_source", "cell_type")
    coords: dict[str, Any] = {
        column: ("unit", np.array([str(v) for v in units[column]], dtype=str)) for column in texts
    }
    return coords | {axis: ("unit", units[axis].to_numpy(dtype=float)) for axis in "xyz"}


def _attrs(
    file: RecordingFile, settings: RecordingSettings, name: str, activity: Activity, notes: list[str]
) -> dict[str, Any]:
    resolved = settings.model_dump(mode="json", include=set(RecordingSettings.model_fields))
    resolved |= {"bin_width_s": activity.trials.dt_s, "smoothing_s": activity.smoothing_s}
    return {
        "recording": name,
        "path": str(file.path),
        "sha256": sha256(file.path),
        "format": file.format,
        "activity": "model" if file.already_phi else "rates",
        # The scaled rate of a unit that does not fire.
        "silent": -1.0 if settings.scaling == "counts" and not file.already_phi else 0.0,
        "activity_name": file.activity_name,
        "stretches": "blocks" if activity.trials.blocks else "trials",
        "dt_s": activity.trials.dt_s,
        "smoothing_s": activity.smoothing_s,
        "settings": json.dumps(resolved, sort_keys=True),
        "notes": "\n".join(note.replace("\n", " ") for note in notes),
        "results_version": RESULTS_VERSION,
    }


def _truth(file: RecordingFile, kept: np.ndarray, activity: Activity, input_names: list[str]) -> xr.Dataset | None:
    """The true network among the kept units, on the bins of the recording.

    Inputs that the file does not declare have no true weight.
    """
    truth = file.truth
    if truth is None:
        return None
    B = np.zeros((len(kept), len(input_names)))
    B[:, : truth.B.shape[1]] = truth.B[kept]
    variables: dict[str, Any] = {
        "J": (("target", "file"), truth.J[np.ix_(kept, kept)]),
        "B": (("target", "input"), B),
        "b": ("target", truth.b[kept]),
    }
    if activity.drive is not None:
        variables["drive"] = (("trial", "time", "unit"), activity.drive[:, :, kept])
    dt_s = activity.trials.dt_s
    # Wider bins hold as many more Euler steps, so that the true network runs as it ran.
    attrs = {"tau_s": truth.tau_s, "dt_s": dt_s, "substeps": truth.substeps * max(1, round(dt_s / truth.dt_s))}
    return xr.Dataset(variables, attrs=attrs)


def _units_table(
    file: RecordingFile, name: str, reasons: np.ndarray, mean_rate_hz: np.ndarray, scale: np.ndarray
) -> pd.DataFrame:
    facts = file.units[["unit_id", "region", "region_raw", "region_source", "cell_type"]].reset_index(drop=True)
    return facts.assign(recording=name, kept=reasons == "", reason=reasons, mean_rate_hz=mean_rate_hz, scale=scale)


def _regions_table(recording: xr.Dataset) -> pd.DataFrame:
    """How much there is to fit in each region, from the scaled rates of the training trials."""
    train = recording["split"].to_numpy() == "train"
    scaled = scaled_rates(recording).to_numpy()[train]
    samples = scaled[np.isfinite(scaled).all(axis=2)]
    regions = recording["region"].to_numpy()
    rows = []
    for region in np.unique(regions):
        covariance = np.atleast_2d(np.cov(samples[:, regions == region], rowvar=False))
        ratio = float(np.trace(covariance) ** 2 / (covariance**2).sum())
        rows.append(
            {
                "recording": recording.attrs["recording"],
                "region": str(region),
                "n_units": int((regions == region).sum()),
                "participation_ratio": ratio,
                "n_trials": int(train.sum()),
                "n_samples": len(samples),
                "samples_per_dimension": len(samples) / ratio,
            }
        )
    return pd.DataFrame(rows)
