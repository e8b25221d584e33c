"""The page of one recording: what can be said, what was recorded, how well the models fit, and all their figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from curbd.report import findings, model_comparison
from curbd.report.drawing import Palette, counted, number_text, report_style
from curbd.report.figures import Draw, figures_of_model, figures_of_recording, plot_call, title_of
from curbd.report.grid import grid
from curbd.report.outlook import Outlook
from curbd.report.picture import Picture, picture
from curbd.report.reading import ModelResults, RecordingResults
from curbd.tables.column import SESSION_COLUMNS

EXPERIMENT_TABLES = {
    "perturbation_comparison": "Predictions compared with real perturbations",
    "interactions": "How regions depend on one another: direct and total effects, time windows, messages, synergy",
}
"""Tables of experiments on the page -> heading."""
MECHANISM_TABLES = {
    "dynamics": "Fixed points, slow points and limit cycles",
    "transmission": "Currents that regions and populations send in each condition",
    "geometry": "Geometry of the loadings, and its agreement between fits",
}
"""Tables of low-rank networks on the page -> heading."""
TABLES_ON_DYNAMICS = {
    "attractors": "Attractors, with what a delay line seen in part would show",
    "transitions": "Transitions between attractors that pulses of inputs cause",
    "lyapunov": "Lyapunov exponents",
    "phase_locking": "Locking to recorded oscillations",
    "slow_manifolds": "Slow directions of regions and the messages of others",
    "degeneracy": "Agreement of all fits of this recording",
}
"""Tables that the keys `dynamics` and `degeneracy` of the config ask for -> heading."""
FOLDED_FIGURES = ("nulls", "agreement", "signed_currents")
"""Figures that are folded on the page, below all others."""


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
        shared = _pictures(
            figures_of_recording(recorded, palette), "figure-", lambda name: plot_call(results, name, recorded.name)
        )
        models = [
            _model(f"model-{number}", recorded.name, fit, palette, results)
            for number, fit in enumerate(recorded.fits, start=1)
        ]
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
        "models": models,
    }


def _pictures(draws: dict[str, Draw], prefix: str, code: Callable[[str], str]) -> dict[str, Picture]:
    """Draw all figures that the results have something to show in; identifiers on the page start with the prefix."""
    pictures = {}
    for name, draw in draws.items():
        drawing = draw()
        if drawing is not None:
            pictures[name] = picture(f"{prefix}{name}", title_of(name), drawing, code(name))
    return pictures


def _model(anchor: str, recording: str, fit: ModelResults, palette: Palette, results: str) -> dict[str, Any]:
    """Everything that the page shows about one model of the recording."""
    pictures = _pictures(
        figures_of_model(fit, palette), f"{anchor}-", lambda name: plot_call(results, name, recording, fit.name)
    )
    pathways = fit.tables["pathways"].sort_values("grade_rank", kind="stable")
    contrasts = [pictures.pop(name) for name in list(pictures) if name.startswith("contrast_")]
    return {
        "id": anchor,
        "name": fit.name,
        "summary": findings.summarise(fit),
        "network": pictures.pop("network", None),
        "folded": {name: pictures.pop(name) for name in FOLDED_FIGURES if name in pictures},
        "pictures": list(pictures.values()),
        "pathways": grid("pathways", pathways.dropna(axis=1, how="all"), leave_out=("recording", "model")),
        "contrasts": {
            "sentences": findings.contrast_sentences(fit),
            "pictures": contrasts,
            "table": grid("contrasts", _by_evidence(fit.tables["contrasts"]), leave_out=("recording", "model")),
        },
        "constraints": grid("constraints", fit.tables["constraints"], leave_out=("recording", "model")),
        "nulls": grid("nulls", fit.tables["nulls"], leave_out=("recording", "model")),
        "inactivations": grid(
            "inactivations", fit.tables["inactivations"].dropna(axis=1, how="all"), leave_out=("recording", "model")
        ),
        "tables": {
            heading: grid(name, rows.dropna(axis=1, how="all"), leave_out=("recording", "model"))
            for name, heading in (EXPERIMENT_TABLES | MECHANISM_TABLES | TABLES_ON_DYNAMICS).items()
            if len(rows := _of_regions(fit.tables[name]))
        },
        "settings": _settings(fit),
    }


def _by_evidence(contrasts: pd.DataFrame) -> pd.DataFrame:
    """The rows of contrasts, those with the smallest q-values first."""
    return contrasts.sort_values(["contrast", "q_value", "p_value"], kind="stable")


def _of_regions(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows about regions, without rows about single units."""
    return rows[rows["unit_id"] == ""] if "unit_id" in rows else rows


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
        ("inputs", ", ".join(inputs) or "none"),
    ]


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
        return f"{name}: rates of model units between −1 and 1, fitted without scaling"
    return f"{name}, in {unit}" if unit else str(name)


def _settings(fit: ModelResults) -> str:
    attrs = fit.networks.attrs
    seeds = fit.networks["seed"].values
    tau = fit.networks["tau_s"].values
    chosen = str(fit.networks["penalty_by"].values[0]).replace("_", "-") if "penalty_by" in fit.networks else ""
    return (
        f"{attrs['family'].replace('_', ' ')}, estimator {attrs['estimator']}, options {attrs['options']}; "
        f"{counted(len(seeds), 'seed')} ({', '.join(map(str, seeds[:8]))}{', ...' if len(seeds) > 8 else ''}); "
        f"time constant {tau[0]:.3g} s; {counted(int(attrs['substeps']), 'Euler step')} in each bin"
        f"{f'; penalties by {chosen}' if chosen else ''}."
    )
