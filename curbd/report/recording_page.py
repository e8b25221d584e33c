"""The page of one recording: what can be said, what was recorded, and how well the models fit."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from curbd.recording.scaling import own_nonlinearity
from curbd.report import degeneracy, findings, model_comparison
from curbd.report.drawing import Palette, report_style
from curbd.report.figures import figures_of_model, figures_of_recording, pictures
from curbd.report.grid import grid
from curbd.report.outlook import Outlook
from curbd.report.picture import Picture
from curbd.report.reading import ModelResults, RecordingResults
from curbd.report.wording import counted, meaning_of_estimated, number_text, source_label
from curbd.tables.column import SESSION_COLUMNS


def recording_page(recorded: RecordingResults, outlook: Outlook, palette: Palette, results: str) -> dict[str, Any]:
    """Collect everything that the page of a recording shows.

    Parameters
    ----------
    recorded : the results of the recording.
    outlook : what can be said about the recording.
    palette : region -> colour.
    results : folder of the results, for the lines of code below the figures.

    Returns
    -------
    The values of the template ``recording.html``.
    """
    with report_style():
        shared = pictures(figures_of_recording(recorded, palette), results, recorded.name)
        diagrams = {fit.name: _diagram(recorded.name, fit, palette, results) for fit in recorded.fits}
    return {
        "outlook": outlook,
        "facts": _facts(recorded),
        "notes": [note for note in str(recorded.recording.attrs["notes"]).split("\n") if note],
        "regions": grid("regions", recorded.regions, leave_out=("recording",)),
        "labels": grid("units", findings.sources_of_labels(recorded.units)),
        "shared": shared,
        "comparison": model_comparison.comparison(recorded),
        "recommendation": model_comparison.recommendation(recorded),
        "fits": grid(
            "fits",
            pd.concat([fit.tables["fits"] for fit in recorded.fits]),
            leave_out=("recording", "n_units", "seconds"),
        ),
        "region_scores": grid(
            "region_scores",
            pd.concat([findings.scores_by_region(fit) for fit in recorded.fits]),
            leave_out=("recording", "seed", "split"),
        ),
        "oscillators": grid("oscillators", recorded.oscillators, leave_out=("recording",)),
        "forces": grid("oscillator_forces", recorded.oscillator_forces, leave_out=("recording",)),
        "gates": {
            "sentence": _gate_sentence(recorded.gates),
            "units": grid("gates", recorded.gates.sort_values("held_out_nats", ascending=False), ("recording",)),
            "currents": grid("gate_currents", recorded.gate_currents, leave_out=("recording",)),
        },
        "degeneracy": {
            "sentences": degeneracy.sentences(recorded.degeneracy),
            "components": degeneracy.components(recorded.degeneracy),
            "table": grid("degeneracy", recorded.degeneracy, leave_out=("recording",)),
        },
        "diagrams": diagrams,
        "summaries": [findings.summarise(fit) for fit in recorded.fits],
    }


def _diagram(recording: str, fit: ModelResults, palette: Palette, results: str) -> Picture | None:
    """Draw the pathways of a model between regions; there is nothing to draw for a single region."""
    draws = {"network": figures_of_model(fit, palette)["network"]}
    return pictures(draws, results, recording, fit.name).get("network")


def _gate_sentence(gates: pd.DataFrame) -> str:
    """Say how many units have gates that move."""
    moving = int((gates["verdict"] == "supported").sum())
    return (
        f"With gates that move, held-out trials are more likely in {moving} of {counted(len(gates), 'unit')}. A gate "
        "slows the state of its unit down; noise that depends on the rate, as that of spikes does, can look like one. "
        "Pathways and experiments do not use gates."
    )


def _facts(recorded: RecordingResults) -> list[tuple[str, str]]:
    """Name and value of every fact about what was recorded."""
    recording = recorded.recording
    split = recording["split"].values.astype(str)
    time = recording["time"].values
    conditions, counts = np.unique(recording["condition"].values.astype(str), return_counts=True)
    named = ", ".join(f"{name} ({count})" for name, count in zip(conditions[:12], counts, strict=False))
    dt_s = float(recording.attrs["dt_s"])
    inputs = [str(name) for name in recording["input"].values]
    columns = json.loads(recording.attrs["settings"])["windows"]["conditions"]
    train = int((split == "train").sum())
    kept = recorded.units["kept"]
    return [
        ("file", f"{recording.attrs['path']} ({recording.attrs['format']})"),
        *(
            (column.name, str(recording.attrs[column.name]))
            for column in SESSION_COLUMNS
            if recording.attrs.get(column.name, recorded.name) != recorded.name
        ),
        *json.loads(str(recording.attrs["settings"])).get("about", {}).items(),
        ("activity", _activity(recording)),
        ("units", f"{kept.sum()} of {len(kept)} fitted, in {counted(len(recorded.regions), 'region')}"),
        (str(recording.attrs["stretches"]), f"{len(split)}: {train} for training, {len(split) - train} held out"),
        (
            f"conditions ({' and '.join(columns)})" if columns else "conditions",
            named + (f" and {len(conditions) - 12} more" if len(conditions) > 12 else ""),
        ),
        (
            "time",
            f"{number_text(time[0], 4) or 0} to {number_text(time[-1], 4)} s in bins of {dt_s:.4g} s"
            + (f", smoothed with {recording.attrs['smoothing_s']:.4g} s" if recording.attrs["smoothing_s"] else ""),
        ),
        ("t = 0", _event(recording)),
        ("experimenter's inputs", ", ".join(inputs) or "none"),
        *_estimated_sources(recorded, inputs),
    ]


def _estimated_sources(recorded: RecordingResults, inputs: list[str]) -> list[tuple[str, str]]:
    """Name the sources that models estimate in addition to the recorded inputs."""
    texts, estimated = [], set()
    for fit in recorded.fits:
        sources = fit.tables["pathways"]["source"].unique()
        names = [name for name in sources if name.startswith("input:") and name.removeprefix("input:") not in inputs]
        estimated.update(names)
        if names:
            texts.append(f"{', '.join(map(source_label, names))} (model {fit.name})")
    if not texts:
        return []
    return [("estimated sources", f"{'; '.join(texts)}.{meaning_of_estimated(estimated)}")]


def _event(recording: xr.Dataset) -> str:
    """What happens at t = 0 of a trial."""
    windows = json.loads(recording.attrs["settings"])["windows"]
    if recording.attrs["stretches"] == "blocks" or windows["table"] is None:
        return f"the time 0 of the {recording.attrs['stretches']} of the file"
    event = "the start of the interval" if windows["align"] == "start_time" else windows["align"]
    return f"{event} in the table {windows['table']}"


def _activity(recording: xr.Dataset) -> str:
    name, unit = recording.attrs["activity_name"], recording["rates"].attrs.get("units")
    if recording.attrs["activity"] == "model":
        return f"{name}: rates of {own_nonlinearity(recording)} units of a model, fitted without scaling"
    return f"{name}, in {unit}" if unit else str(name)
