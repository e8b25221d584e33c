"""The pages of questions, each over all recordings: pathways, experiments, contrasts, and the group."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curbd.inactivation.tabulate import effect_size
from curbd.pathways.grades import believed_currents
from curbd.report import cautions, contrast_figures, findings, group_figures
from curbd.report.comparison_sentences import MAX_Q_TO_REPORT
from curbd.report.drawing import in_order, report_style
from curbd.report.figures import figures_of_group, plot_call
from curbd.report.grid import Grid, grid
from curbd.report.picture import Picture, picture
from curbd.report.reading import RunResults
from curbd.report.wording import (
    GRADE_MARKS,
    GRADE_WORDS,
    meaning_of_estimated,
    number_text,
    percent_text,
    r2_text,
    source_label,
)

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
    """A table of pathways or effects.

    Of several recordings, a row is a pathway or an effect, and a column is a recording. Of a single recording, a row is
    a target or an experiment, and a column is a source or a region.

    Attributes
    ----------
    heading : the model whose results are shown, and what is compared.
    columns : names of the columns.
    corner : what rows and columns are, such as ``to ↓, from →``; '' if columns are recordings.
    rows : name of a row, and its cells.
    omitted : number of rows that are left out.
    remark : what to know about the results of the model; '' if there is nothing.
    """

    heading: str
    columns: list[str]
    corner: str
    rows: list[tuple[str, list[Cell]]]
    omitted: int
    remark: str = ""


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
    placed = rows.assign(rank=rows["grade"].map(order), line=rows["target"], column=rows["source"])
    return _across(placed, cells, run, "to ↓, from →")


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
    merged["size"] = [number_text(size) for size in np.sqrt(merged["square"])]
    merged["hz"] = [
        in_hz.get((row["recording"], row["model"]), {}).get((row["perturbation"], row["target"]), "")
        for row in merged.to_dict("records")
    ]
    cells = [
        Cell(
            text=f"{row['hz'] or row['size']}{' ★' if row['q_value'] <= MAX_Q_TO_REPORT else ''}",
            # Green is for what is resolved.
            kind="supported" if row["supported"] else "no_evidence",
            title=f"{row['row']}, {row['recording']}: {', '.join(filter(None, [row['hz'], row['size']]))} rms of "
            f"scaled rates, smallest q of a condition {number_text(row['q_value']) or 'unknown'}, "
            f"{'supported' if row['supported'] else 'not supported'}",
        )
        for row in merged.to_dict("records")
    ]
    placed = merged.assign(
        rank=(~merged["supported"]).astype(int), line=merged["perturbation"], column=merged["target"]
    )
    return [
        table._replace(remark=_remark_on_effects(table.heading, run, _with_supported(placed, table.heading)))
        for table in _across(placed, cells, run, "experiment ↓, effect on →")
    ]


def _with_supported(effects: pd.DataFrame, model: str) -> list[str]:
    """The recordings with a supported effect of a model."""
    return [str(name) for name in effects.loc[effects["supported"] & (effects["model"] == model), "recording"].unique()]


def _remark_on_effects(model: str, run: RunResults, recordings: list[str]) -> str:
    """Say which supported effects of a model rest on currents that may be wrong; '' without supported effects."""
    if not recordings:
        return ""
    # Regions are the targets of all pathways, resolved or not.
    between, fits = findings.between_regions(run.tables["pathways"]), run.tables["fits"]
    resolved = between[(between["model"] == model) & (between["verdict"] == "resolved")]
    without = [name for name in recordings if name not in set(resolved["recording"])]
    texts = []
    if without:
        where = "" if len(without) == len(recordings) else f" in {', '.join(without)}"
        texts.append(
            f"⚠ No pathway between regions is resolved in this model{where}: supported effects rest on supported "
            "pathways, whose currents may partly come from what was not recorded."
        )
    of_model = fits[(fits["model"] == model) & fits["recording"].isin(recordings) & fits["one_step_r2"].notna()]
    held_out = of_model.sort_values("split", kind="stable").drop_duplicates("recording")
    doubtful = [str(row["recording"]) for row in held_out.to_dict("records") if cautions.adds_little(row)]
    if doubtful:
        texts.append(
            f"⚠ In {', '.join(doubtful)}, the model predicts hardly better than each region alone does: read its "
            "effects on other regions as hypotheses."
        )
    return " ".join(texts)


def contrast_tables(run: RunResults) -> list[Across]:
    """Tabulate the difference of the evoked currents of every contrast in every recording, one table per model."""
    rows = run.tables["contrasts"]
    rows = rows[(rows["part"] == "pattern") & (rows["source"] != rows["target"])]
    if rows.empty:
        return []
    names = rows["contrast"] + " (" + rows["level_a"].astype(str) + " − " + rows["level_b"].astype(str) + "): "
    rows = rows.assign(row=names + rows["source"].map(source_label) + " → " + rows["target"])
    found = rows["q_value"] <= MAX_Q_TO_REPORT
    places = ["recording", "model", "target", "source"]
    believed = set(believed_currents(run.tables["pathways"])[places].itertuples(index=False, name=None))
    cells = [
        Cell(
            text=f"{r2_text(row['relative_difference'])}{' ★' if is_found else ''}",
            kind=("resolved" if tuple(row[name] for name in places) in believed else "supported")
            if is_found
            else "no_evidence",
            title=f"{row['row']}, {row['recording']}: {number_text(row['relative_difference'], 3) or 'no'} standard "
            f"deviations of the total current of the target, {contrast_figures.q_text(row['q_value'])}",
        )
        for row, is_found in zip(rows.to_dict("records"), found, strict=True)
    ]
    placed = rows.assign(
        rank=rows["q_value"].fillna(1.0),
        part=names.str.removesuffix(": "),
        line=rows["target"],
        column=rows["source"].map(source_label),
    )
    meaning = meaning_of_estimated(rows["source"]).strip()
    first, *others = _across(placed, cells, run, "to ↓, from →")
    return [first._replace(remark=meaning), *others]


def _across(rows: pd.DataFrame, cells: list[Cell], run: RunResults, corner: str) -> list[Across]:
    """Arrange the cells of every model; rows with the smallest mean rank come first, or in a matrix in their order.

    Of a single recording, the columns ``line`` and ``column`` are the rows and columns of a matrix, which needs less
    room, and there is a matrix for every ``part``.
    """
    is_matrix = len(run.names) == 1
    line, column = ("line", "column") if is_matrix else ("row", "recording")
    part = rows["part"] if is_matrix and "part" in rows else pd.Series("", index=rows.index)
    rows = rows.assign(part=part, cell=pd.Series(cells, index=rows.index, dtype=object))
    empty = Cell("", "absent", "the target itself" if is_matrix else "not in this recording")
    tables = []
    for model in run.models:
        for of_part, chosen in rows[rows["model"] == model].groupby("part", sort=True):
            by_place = chosen.set_index([line, column])["cell"].to_dict()
            by_rank = chosen.groupby(line, sort=True)["rank"].mean().sort_values(kind="stable").index
            order = in_order(by_rank, run.palette) if is_matrix else list(by_rank)
            present = set(chosen[column])
            names = in_order(present, run.palette) if is_matrix else [name for name in run.names if name in present]
            shown = [(str(name), [by_place.get((name, place), empty) for place in names]) for name in order[:MAX_ROWS]]
            tables.append(
                Across(
                    heading=", ".join(filter(None, [model, str(of_part)])),
                    columns=names,
                    corner=corner if is_matrix else "",
                    rows=shown,
                    omitted=max(0, len(order) - MAX_ROWS),
                )
            )
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
