"""The page: what is shown in which order, and how numbers are written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np
import pandas as pd
import xarray as xr

from curbd.report import (
    agreement_figure,
    current_figures,
    effect_figures,
    findings,
    fit_figures,
    inactivation_figures,
    interaction_figures,
    latent_figures,
    mechanism_figures,
    network_figure,
    null_figure,
    recording_figures,
    truth_figures,
)
from curbd.report.drawing import Picture, colours, counted, house_style, written
from curbd.report.reading import Fitted, Recorded, Run
from curbd.tables import TABLES

FOLDER = Path(__file__).parent
EXPERIMENTS = {
    "perturbation_comparison": "Predictions beside real perturbations",
    "interactions": "Experiments together: direct and total effects, windows, messages, synergy",
}
"""Table -> heading."""
MECHANISM = {
    "dynamics": "Fixed points, slow points and limit cycles",
    "transmission": "What passes in which condition",
    "geometry": "Geometry of the loadings, and how much of it the fits share",
}
MOST_ROWS = 150
"""Longer tables are cut here; the files hold all rows."""


class Grid(NamedTuple):
    """A table as the page shows it: headings with their meaning, cells as text, and the number of rows left out."""

    headings: list[tuple[str, str]]
    rows: list[list[str]]
    omitted: int
    file: str


def render(run: Run) -> str:
    """The whole report as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    palette = colours(region for one in run.recordings for region in one.regions["region"])
    with house_style():
        sections = [_section(number, one, palette) for number, one in enumerate(run.recordings, start=1)]
    page = environment.get_template("report.html").render(
        css=(FOLDER / "report.css").read_text(encoding="utf-8"),
        sections=sections,
        definitions=_definitions(run),
        provenance=_provenance(run),
    )
    return page.rstrip() + "\n"


def _section(number: int, one: Recorded, palette: dict[str, str]) -> dict[str, Any]:
    """Everything about one recording."""
    return {
        "id": f"recording-{number}",
        "name": one.name,
        "facts": _facts(one),
        "notes": [note for note in str(one.recording.attrs["notes"]).split("\n") if note],
        "regions": grid("regions", one.regions, leave_out=("recording",)),
        "labels": grid("units", findings.sources_of_labels(one.units)),
        "activity": recording_figures.activity(one.recording, palette),
        "fit_scores": fit_figures.scores(pd.concat([fit.tables["fits"] for fit in one.fits])),
        "fits": grid(
            "fits", pd.concat([fit.tables["fits"] for fit in one.fits]), leave_out=("recording", "n_units", "seconds")
        ),
        "region_scores": grid(
            "region_scores",
            pd.concat([findings.scores_by_region(fit) for fit in one.fits]),
            leave_out=("recording", "seed", "split"),
        ),
        "warnings": findings.warnings(one),
        "models": [_model(f"recording-{number}-{place}", fit, palette) for place, fit in enumerate(one.fits, 1)],
    }


def _model(anchor: str, fit: Fitted, palette: dict[str, str]) -> dict[str, Any]:
    """Everything about one model fitted to one recording."""
    many = len(fit.tables["regions"]) > 1
    known = fit.truth is not None
    candidates: Iterable[Picture | None] = (
        fit_figures.unit_traces(fit, palette),
        current_figures.verdicts(fit),
        null_figure.nulls(fit),
        agreement_figure.agreement(fit),
        current_figures.matrix(fit, palette),
        truth_figures.recovery(fit) if known and many else None,
        truth_figures.traces(fit, palette) if known and many else None,
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
        mechanism_figures.ranks(fit) if many else None,
    )
    pathways = fit.tables["pathways"].sort_values(["target", "share"], ascending=[True, False], kind="stable")
    return {
        "id": anchor,
        "name": fit.name,
        "summary": findings.summarise(fit),
        "pictures": [each for each in candidates if each is not None],
        "diagram": network_figure.diagram(fit, palette),
        "signed": current_figures.signed_matrix(fit, palette),
        "pathways": grid("pathways", pathways.dropna(axis=1, how="all"), leave_out=("recording", "model")),
        "nulls": grid("nulls", fit.tables["nulls"], leave_out=("recording", "model")),
        "inactivations": grid(
            "inactivations", fit.tables["inactivations"].dropna(axis=1, how="all"), leave_out=("recording", "model")
        ),
        "experiments": {
            words: grid(name, rows.dropna(axis=1, how="all"), leave_out=("recording", "model"))
            for name, words in EXPERIMENTS.items()
            if len(rows := _of_regions(fit.tables[name]))
        },
        "mechanism": {
            words: grid(name, fit.tables[name].dropna(axis=1, how="all"), leave_out=("recording", "model"))
            for name, words in MECHANISM.items()
            if len(fit.tables[name])
        },
        "settings": _settings(fit),
    }


def _of_regions(rows: pd.DataFrame) -> pd.DataFrame:
    """Without the rows of single units, where there are some."""
    return rows[rows["unit_id"] == ""] if "unit_id" in rows else rows


def _facts(one: Recorded) -> list[tuple[str, str]]:
    """What was recorded, in name and value."""
    recording = one.recording
    split = recording["split"].values.astype(str)
    time = recording["time"].values
    conditions, counts = np.unique(recording["condition"].values.astype(str), return_counts=True)
    named = ", ".join(f"{name} ({count})" for name, count in zip(conditions[:12], counts, strict=False))
    dt_s = float(recording.attrs["dt_s"])
    inputs = [str(name) for name in recording["input"].values]
    columns = json.loads(recording.attrs["settings"])["windows"]["conditions"]
    train = int((split == "train").sum())
    kept = one.units["kept"]
    return [
        ("file", f"{recording.attrs['path']} ({recording.attrs['format']})"),
        ("activity", _activity(recording)),
        ("units", f"{kept.sum()} kept of {len(kept)}, in {counted(len(one.regions), 'region')}"),
        (str(recording.attrs["stretches"]), f"{len(split)}: {train} for training, {len(split) - train} held out"),
        (
            f"conditions ({' and '.join(columns)})" if columns else "conditions",
            named + (f" and {len(conditions) - 12} more" if len(conditions) > 12 else ""),
        ),
        (
            "time",
            f"{written(time[0], 4) or 0} to {written(time[-1], 4)} s in bins of {dt_s:.4g} s"
            + (f", smoothed with {recording.attrs['smoothing_s']:.4g} s" if recording.attrs["smoothing_s"] else ""),
        ),
        ("known inputs", ", ".join(inputs) or "none"),
    ]


def _activity(recording: xr.Dataset) -> str:
    name, unit = recording.attrs["activity_name"], recording["rates"].attrs.get("units")
    if recording.attrs["activity"] == "model":
        return f"{name}: rates of model units between −1 and 1, taken as they are"
    return f"{name}, in {unit}" if unit else str(name)


def _settings(fit: Fitted) -> str:
    attrs = fit.networks.attrs
    seeds = fit.networks["seed"].values
    tau = fit.networks["tau_s"].values
    chosen = str(fit.networks["penalty_by"].values[0]).replace("_", "-") if "penalty_by" in fit.networks else ""
    return (
        f"{attrs['family'].replace('_', ' ')}, estimator {attrs['estimator']}, options {attrs['options']}; "
        f"{counted(len(seeds), 'seed')} ({', '.join(map(str, seeds[:8]))}{', ...' if len(seeds) > 8 else ''}); "
        f"time constant {tau[0]:.3g} s; {counted(int(attrs['substeps']), 'Euler step')} a bin"
        f"{f'; penalties by {chosen}' if chosen else ''}."
    )


def grid(name: str, rows: pd.DataFrame, leave_out: tuple[str, ...] = ()) -> Grid:
    """Rows of a result table as text; the headings carry the meaning of their column."""
    meanings = {column.name: column.meaning for column in TABLES[name].columns}
    columns = [column for column in rows.columns if column not in leave_out]
    shown = rows[columns].head(MOST_ROWS)
    cells = [[_written(value) for value in line] for line in shown.itertuples(index=False)]
    headings = [(column.replace("_", " "), meanings.get(column, "")) for column in columns]
    return Grid(headings, cells, len(rows) - len(shown), TABLES[name].file)


def _written(value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return written(float(value), 3)
    return str(value)


def _definitions(run: Run) -> list[tuple[str, list[tuple[str, str]]]]:
    """File and meaning of every number in the report."""
    truth = any(fit.truth is not None for one in run.recordings for fit in one.fits)
    shown = (
        "fits",
        "region_scores",
        "pathways",
        "nulls",
        "currents",
        "inactivations",
        *EXPERIMENTS,
        "regions",
        *MECHANISM,
    )
    return [
        (
            TABLES[name].file,
            [(c.name, c.meaning) for c in TABLES[name].columns if c.kind == "number" and (truth or not c.optional)],
        )
        for name in shown
    ]


def _provenance(run: Run) -> dict[str, Any]:
    """Where the results come from, as far as provenance.json says it."""
    known = run.provenance
    versions = known.get("versions", {})
    return {
        "code": [
            (key, str(known[key])) for key in ("commit", "python", "results_version") if known.get(key) is not None
        ],
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
        "recordings": [
            (one.name, one.recording.attrs["path"], one.recording.attrs["sha256"]) for one in run.recordings
        ],
        "config": json.dumps(known["config"], indent=2, ensure_ascii=False) if "config" in known else "",
    }
