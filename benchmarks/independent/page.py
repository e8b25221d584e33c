"""The page `docs/independent.md` and its figure, from the table of answers."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from benchmarks.document import insert, markdown, number
from curbd.storage.whole_files import whole_file

COLOURS = {"model": "#1B6CA8", "baseline": "#B5651D", "chance": "#9A9A9A", "ceiling": "#2E7D4F"}
ROLES = list(COLOURS)
PANELS_PER_LINE = 3


def write_page(out: Path, answers: pd.DataFrame) -> None:
    """Write the tables of every set into the page, and one panel for each question into the figure.

    Parameters
    ----------
    out : folder of the page.
    answers : the table of all answers.
    """
    for name, of_set in answers.groupby("set", sort=False):
        insert(out / "independent.md", str(name), _tables(str(name), of_set))
    _figure(answers, out / "independent" / "answers.png")


def _tables(name: str, of_set: pd.DataFrame) -> str:
    """The command behind the answers of a set, one table of all questions about a single case, one for each other."""
    rows = of_set[of_set["value"].notna()]
    rows = rows.assign(case=rows["case"].str.replace(r", seed \d+$|^seed \d+$", "", regex=True).replace("", "mean"))
    versions = ", ".join(f"{version:.0f}" for version in sorted(rows["results_version"].unique()))
    parts = [f"`python -m benchmarks.independent --sets {name} --again`; version of the results: {versions}"]
    single = rows[rows.groupby("question")["case"].transform("nunique") == 1]
    if len(set(single["question"])) > 1:
        parts.append(markdown(_of_single_cases(single)))
        rows = rows.drop(single.index)
    for question, of_question in rows.groupby("question", sort=False):
        parts.append(f"**{question}**\n\n{markdown(_of_several_cases(of_question))}")
    return "\n\n".join(parts)


def _of_single_cases(rows: pd.DataFrame) -> pd.DataFrame:
    """Questions in lines and methods in columns; means over seeds."""
    methods = rows["method"].where(rows["role"] == "model", rows["role"] + ": " + rows["method"])
    rows = rows.assign(method=methods, order=rows["role"].map(ROLES.index)).sort_values("order", kind="stable")
    cells = rows.pivot_table(index="question", columns="method", values="value", sort=False)
    return cells.map(number).reset_index()


def _of_several_cases(rows: pd.DataFrame) -> pd.DataFrame:
    """Methods in lines and cases in columns; means over seeds, and over three cases or more."""
    cells = rows.pivot_table(index=["role", "method"], columns="case", values="value", sort=False)
    texts = cells.map(number)
    if cells.shape[1] > 2:
        texts.insert(0, "mean", cells.mean(axis=1).map(number))
    return texts.reset_index().sort_values("role", key=lambda role: role.map(ROLES.index), kind="stable")


def _figure(answers: pd.DataFrame, path: Path) -> None:
    """One panel per question: every method a line, every case a dot, nulls and ceilings as vertical lines."""
    questions = list(answers[["set", "question"]].drop_duplicates().itertuples(index=False, name=None))
    lines = -(-len(questions) // PANELS_PER_LINE)
    figure, axes = plt.subplots(lines, PANELS_PER_LINE, figsize=(15, 3.1 * lines), squeeze=False)
    for panel, (name, question) in zip(axes.flat, questions, strict=False):
        rows = answers[(answers["set"] == name) & (answers["question"] == question) & answers["value"].notna()]
        methods = list(rows[rows["role"].isin(["model", "baseline"])]["method"].drop_duplicates())
        for position, method in enumerate(methods):
            of_method = rows[rows["method"] == method]
            colour = COLOURS[str(of_method["role"].iloc[0])]
            panel.plot(of_method["value"], np.full(len(of_method), position), "o", color=colour, alpha=0.6, ms=4)
        for role in ("chance", "ceiling"):
            for value in rows[rows["role"] == role]["value"]:
                panel.axvline(value, color=COLOURS[role], linewidth=0.8, alpha=0.5)
        panel.set_yticks(range(len(methods)), methods, fontsize=7)
        panel.invert_yaxis()
        panel.tick_params(axis="x", labelsize=7)
        panel.set_title(f"{name}: {question}", fontsize=7)
    for panel in axes.flat[len(questions) :]:
        panel.set_visible(False)
    figure.tight_layout()
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
    plt.close(figure)
