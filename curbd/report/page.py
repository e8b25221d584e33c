"""The page of the report: its contents and their order, and the format of numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np
import pandas as pd
import xarray as xr

from curbd.progress import tracked
from curbd.report import (
    agreement_figure,
    contrast_figures,
    current_figures,
    effect_figures,
    findings,
    fit_figures,
    group_figures,
    inactivation_figures,
    interaction_figures,
    latent_figures,
    mechanism_figures,
    model_comparison,
    network_figure,
    null_figure,
    recording_figures,
    truth_figures,
)
from curbd.report.drawing import Picture, colours, counted, number_text, report_style
from curbd.report.reading import ModelResults, RecordingResults, RunResults
from curbd.tables import TABLES
from curbd.tables.column import SESSION_COLUMNS

TEMPLATE_FOLDER = Path(__file__).parent
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
MAX_TABLE_ROWS = 150
"""Largest number of rows of a table on the page; the files hold all rows."""


class Grid(NamedTuple):
    """A result table as the page shows it.

    Attributes
    ----------
    headings : heading and meaning of every column.
    rows : cells as strings.
    omitted : number of rows that the page leaves out.
    file : name of the file that holds all rows.
    """

    headings: list[tuple[str, str]]
    rows: list[list[str]]
    omitted: int
    file: str


def render(run: RunResults) -> str:
    """Render the whole report as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    palette = colours(region for recorded in run.recordings for region in recorded.regions["region"])
    with report_style():
        sections = [
            _section(number, recorded, palette, run.provenance)
            for number, recorded in enumerate(tracked(run.recordings, "recordings in the report"), start=1)
        ]
    page = environment.get_template("report.html").render(
        css=(TEMPLATE_FOLDER / "report.css").read_text(encoding="utf-8"),
        sections=sections,
        group=_group(run) if len(run.recordings) > 1 else None,
        left_out=list(run.provenance.get("left_out", {}).items()),
        definitions=_definitions(run),
        provenance=_provenance(run),
    )
    return page.rstrip() + "\n"


def _group(run: RunResults) -> dict[str, Any]:
    """Everything that the page shows about all recordings together."""
    with report_style():
        drawn = [
            group_figures.forest(str(model), str(quantity), rows, run.sessions)
            for (model, quantity), rows in run.group.groupby(["model", "quantity"], sort=True)
            if group_figures.is_drawn(rows)
        ]
    return {
        "subjects": run.sessions["subject"].nunique(),
        "sessions": run.sessions["session"].nunique(),
        "pictures": drawn,
        "table": grid("group", run.group.sort_values(["model", "quantity", "q_value"], kind="stable")),
    }


def _section(
    number: int, recorded: RecordingResults, palette: dict[str, str], provenance: dict[str, Any]
) -> dict[str, Any]:
    """Everything that the page shows about one recording."""
    return {
        "id": f"recording-{number}",
        "name": recorded.name,
        "facts": _facts(recorded),
        "notes": [note for note in str(recorded.recording.attrs["notes"]).split("\n") if note],
        "regions": grid("regions", recorded.regions, leave_out=("recording",)),
        "labels": grid("units", findings.sources_of_labels(recorded.units)),
        "activity": recording_figures.activity(recorded.recording, palette),
        "fit_scores": fit_figures.scores([fit for fit in recorded.fits if not fit.is_of_populations]),
        "comparison": model_comparison.comparison(recorded),
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
        "warnings": [*provenance.get("remarks", {}).get(recorded.name, []), *findings.warnings(recorded)],
        "models": [
            _model(f"recording-{number}-{index}", fit, palette) for index, fit in enumerate(recorded.fits, start=1)
        ],
    }


def _model(anchor: str, fit: ModelResults, palette: dict[str, str]) -> dict[str, Any]:
    """Everything that the page shows about one model of one recording."""
    several_regions = len(fit.tables["regions"]) > 1
    comparable = fit.truth is not None and several_regions
    candidates: Iterable[Picture | None] = (
        fit_figures.unit_traces(fit, palette),
        current_figures.verdicts(fit),
        null_figure.nulls(fit),
        agreement_figure.agreement(fit),
        current_figures.matrix(fit, palette),
        truth_figures.recovery(fit) if comparable else None,
        truth_figures.traces(fit, palette) if comparable else None,
        inactivation_figures.matrix(fit),
        inactivation_figures.doses(fit, palette),
        interaction_figures.direct_and_total(fit, palette),
        interaction_figures.windows(fit, palette),
        effect_figures.timecourses(fit, palette),
        effect_figures.agreement(fit, palette),
        effect_figures.measured(fit, palette),
        latent_figures.trajectories(fit),
        mechanism_figures.landscape(fit),
        mechanism_figures.populations(fit),
        mechanism_figures.ranks(fit) if several_regions else None,
    )
    pathways = fit.tables["pathways"].sort_values(["target", "share"], ascending=[True, False], kind="stable")
    return {
        "id": anchor,
        "name": fit.name,
        "summary": findings.summarise(fit),
        "pictures": [picture for picture in candidates if picture is not None],
        "diagram": network_figure.diagram(fit, palette),
        "signed": None if fit.is_of_populations else current_figures.signed_matrix(fit, palette),
        "pathways": grid("pathways", pathways.dropna(axis=1, how="all"), leave_out=("recording", "model")),
        "contrasts": {
            "sentences": findings.contrast_sentences(fit),
            "pictures": list(contrast_figures.pictures(fit, palette)),
            "table": grid("contrasts", _by_evidence(fit.tables["contrasts"]), leave_out=("recording", "model")),
        },
        "constraints": grid("constraints", fit.tables["constraints"], leave_out=("recording", "model")),
        "nulls": grid("nulls", fit.tables["nulls"], leave_out=("recording", "model")),
        "inactivations": grid(
            "inactivations", fit.tables["inactivations"].dropna(axis=1, how="all"), leave_out=("recording", "model")
        ),
        "experiments": {
            heading: grid(name, rows.dropna(axis=1, how="all"), leave_out=("recording", "model"))
            for name, heading in EXPERIMENT_TABLES.items()
            if len(rows := _of_regions(fit.tables[name]))
        },
        "mechanism": {
            heading: grid(name, fit.tables[name].dropna(axis=1, how="all"), leave_out=("recording", "model"))
            for name, heading in MECHANISM_TABLES.items()
            if len(fit.tables[name])
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


def grid(name: str, rows: pd.DataFrame, leave_out: tuple[str, ...] = ()) -> Grid:
    """Format the rows of a result table for the page, with the meaning of every column in its heading.

    Parameters
    ----------
    name : name of the table.
    rows : the rows.
    leave_out : columns that the page does not show.

    Returns
    -------
    Headings and cells.
    """
    meanings = {column.name: column.meaning for column in TABLES[name].columns}
    names_of_sessions = [column.name for column in SESSION_COLUMNS]
    columns = [column for column in rows.columns if column not in (*leave_out, *names_of_sessions)]
    shown = rows[columns].head(MAX_TABLE_ROWS)
    cells = [[_cell(value) for value in line] for line in shown.itertuples(index=False)]
    headings = [(column.replace("_", " "), meanings.get(column, "")) for column in columns]
    return Grid(headings=headings, rows=cells, omitted=len(rows) - len(shown), file=TABLES[name].file)


def _cell(value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return number_text(float(value), 3)
    return str(value)


def _definitions(run: RunResults) -> list[tuple[str, list[tuple[str, str]]]]:
    """File and meaning of every number in the report."""
    truth = any(fit.truth is not None for recorded in run.recordings for fit in recorded.fits)
    shown = (
        "fits",
        "region_scores",
        "pathways",
        "nulls",
        *(
            ["constraints"]
            if any(len(fit.tables["constraints"]) for recorded in run.recordings for fit in recorded.fits)
            else []
        ),
        "currents",
        *(
            ["contrasts"]
            if any(len(fit.tables["contrasts"]) for recorded in run.recordings for fit in recorded.fits)
            else []
        ),
        "inactivations",
        *EXPERIMENT_TABLES,
        "regions",
        *MECHANISM_TABLES,
    )
    return [
        (
            TABLES[name].file,
            [(c.name, c.meaning) for c in TABLES[name].columns if c.kind == "number" and (truth or not c.optional)],
        )
        for name in shown
    ]


def _provenance(run: RunResults) -> dict[str, Any]:
    """Where the results come from, as far as provenance.json says."""
    origin = run.provenance
    versions = origin.get("versions", {})
    return {
        "code": [
            (key, str(origin[key])) for key in ("commit", "python", "results_version") if origin.get(key) is not None
        ],
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
        "recordings": [
            (recorded.name, recorded.recording.attrs["path"], recorded.recording.attrs["sha256"])
            for recorded in run.recordings
        ],
        "config": json.dumps(origin["config"], indent=2, ensure_ascii=False) if "config" in origin else "",
    }
