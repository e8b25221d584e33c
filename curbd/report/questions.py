"""The pages of questions, each over all recordings: pathways, experiments, contrasts, and the group."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curbd.inactivation.tabulate import effect_size
from curbd.report import findings, group_figures
from curbd.report.drawing import GRADE_MARKS, GRADE_WORDS, number_text, percent_text, report_style, source_label
from curbd.report.figures import figures_of_group, plot_call
from curbd.report.findings import MAX_Q_TO_REPORT
from curbd.report.grid import Grid, grid
from curbd.report.picture import Picture, picture
from curbd.report.reading import RunResults

MAX_ROWS = 200
"""Largest number of rows of a table of all recordings; the files hold all rows."""


EffectsInHz = dict[tuple[str, str], dict[tuple[str, str], str]]
"""Recording and model -> perturbation and region -> mean effect in Hz and in percent of the intact rate."""


class Cell(NamedTuple):
    """A cell of a table of all recordings: its text, its class in the style sheet, and its text under the pointer."""

    text: str
    kind: str
    title: str


class Across(NamedTuple):
    """A table with one row per pathway or effect, and one column per recording.

    Attributes
    ----------
    model : the model whose results are shown.
    columns : names of the recordings.
    rows : name of a row, and its cells.
    omitted : number of rows that are left out.
    """

    model: str
    columns: list[str]
    rows: list[tuple[str, list[Cell]]]
    omitted: int


def pathway_tables(run: RunResults) -> list[Across]:
    """Tabulate the grade and the share of every pathway between regions in every recording, one table per model."""
    rows = findings.between_regions(run.tables["pathways"])
    rows = rows.assign(row=rows["source"] + " → " + rows["target"])
    order = {grade: position for position, grade in enumerate(GRADE_WORDS)}
    cells = [
        Cell(
            text=f"{GRADE_MARKS[row['grade']]} {percent_text(row['share'])}",
            kind=row["grade"],
            title=f"{row['row']}, {row['recording']}: {GRADE_WORDS[row['grade']]}. {row['reason']}",
        )
        for row in rows.to_dict("records")
    ]
    return _across(rows.assign(rank=rows["grade"].map(order)), cells, run)


def experiment_tables(run: RunResults, in_hz: EffectsInHz) -> list[Across]:
    """Tabulate the effect of every experiment on every other region in every recording, one table per model.

    Parameters
    ----------
    run : the results of the run.
    in_hz : effects in Hz, of recordings whose activity has rates in Hz.
    """
    rows = run.tables["inactivations"]
    first = rows.groupby(["recording", "model"])["seed"].transform("first")
    rows = rows[(rows["target_kind"] == "region") & (rows["perturbed_share"] < 1) & (rows["seed"] == first)]
    if rows.empty:
        return []
    rows = rows.assign(square=effect_size(rows) ** 2, supported=rows["verdict"] == "supported")
    keys = ["recording", "model", "perturbation", "target"]
    merged = rows.groupby(keys, sort=False).agg(
        square=("square", "mean"), q_value=("q_value", "min"), supported=("supported", "any")
    )
    merged = merged.reset_index()
    merged["row"] = merged["perturbation"] + " on " + merged["target"]
    merged["size"] = [number_text(size) + " rms" for size in np.sqrt(merged["square"])]
    merged["hz"] = [
        in_hz.get((row["recording"], row["model"]), {}).get((row["perturbation"], row["target"]), "")
        for row in merged.to_dict("records")
    ]
    cells = [
        Cell(
            text=f"{row['hz'] or row['size']}{' ★' if row['q_value'] <= MAX_Q_TO_REPORT else ''}",
            kind="resolved" if row["supported"] else "no_evidence",
            title=f"{row['row']}, {row['recording']}: {', '.join(filter(None, [row['hz'], row['size']]))} of scaled "
            f"rates, smallest q of a condition {number_text(row['q_value']) or 'unknown'}, "
            f"{'supported' if row['supported'] else 'not supported'}",
        )
        for row in merged.to_dict("records")
    ]
    return _across(merged.assign(rank=(~merged["supported"]).astype(int)), cells, run)


def contrast_tables(run: RunResults) -> list[Across]:
    """Tabulate the difference of the evoked currents of every contrast in every recording, one table per model."""
    rows = run.tables["contrasts"]
    rows = rows[(rows["part"] == "pattern") & (rows["source"] != rows["target"])]
    if rows.empty:
        return []
    names = rows["contrast"] + " (" + rows["level_a"].astype(str) + " − " + rows["level_b"].astype(str) + "): "
    rows = rows.assign(row=names + rows["source"].map(source_label) + " → " + rows["target"])
    found = rows["q_value"] <= MAX_Q_TO_REPORT
    cells = [
        Cell(
            text=f"{number_text(row['standardised'])}{' ★' if is_found else ''}",
            kind="resolved" if is_found else "no_evidence",
            title=f"{row['row']}, {row['recording']}: {number_text(row['standardised'], 3)} standard deviations of a "
            f"trial, q {number_text(row['q_value'])}",
        )
        for row, is_found in zip(rows.to_dict("records"), found, strict=True)
    ]
    return _across(rows.assign(rank=rows["q_value"].fillna(1.0)), cells, run)


def _across(rows: pd.DataFrame, cells: list[Cell], run: RunResults) -> list[Across]:
    """Arrange the cells of all rows by row and recording; rows with the smallest mean rank come first."""
    places = rows[["model", "row", "recording"]].itertuples(index=False, name=None)
    by_place = dict(zip(places, cells, strict=True))
    tables = []
    for model in run.models:
        of_model = rows[rows["model"] == model]
        if of_model.empty:
            continue
        order = of_model.groupby("row", sort=True)["rank"].mean().sort_values(kind="stable").index
        columns = [name for name in run.names if name in set(of_model["recording"])]
        empty = Cell("", "absent", "not in this recording")
        shown = [
            (str(name), [by_place.get((model, name, column), empty) for column in columns]) for name in order[:MAX_ROWS]
        ]
        tables.append(Across(str(model), columns, shown, max(0, len(order) - MAX_ROWS)))
    return tables


def group_page(run: RunResults) -> dict[str, Any]:
    """Collect everything that is shown about all recordings together."""
    group = run.tables["group"]
    pictures: list[Picture] = []
    with report_style():
        for (model, quantity), draw in figures_of_group(run).items():
            code = plot_call(str(run.folder), quantity, "", model)
            if drawing := draw():
                pictures.append(
                    picture(f"forest-{len(pictures) + 1}", f"{group_figures.title(quantity)} ({model})", drawing, code)
                )
    return {
        "subjects": run.sessions["subject"].nunique(),
        "sessions": run.sessions["session"].nunique(),
        "pictures": pictures,
        "table": _group_grid(group, run.models),
    }


def _group_grid(group: pd.DataFrame, models: list[str]) -> Grid:
    place = group.assign(place=group["model"].map(models.index))
    return grid("group", group.loc[place.sort_values(["place", "quantity", "q_value"], kind="stable").index])
