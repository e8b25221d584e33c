"""Tables of the documentation, written between markers, so that the text around them is kept."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from curbd.storage.whole_files import whole_file


def insert(page: Path, name: str, text: str) -> None:
    """Replace the text between the markers ``name`` of a Markdown page; a page without them is extended.

    Parameters
    ----------
    page : path of the page.
    name : name in the markers.
    text : Markdown.
    """
    start, end = f"<!-- {name}: written by benchmarks -->", f"<!-- end of {name} -->"
    old = page.read_text(encoding="utf-8") if page.exists() else ""
    before, marker, rest = old.partition(start)
    after = rest.partition(end)[2] if marker else "\n"
    with whole_file(page) as temporary:
        temporary.write_text(f"{before}{start}\n\n{text.strip()}\n\n{end}{after}", encoding="utf-8")


def markdown(table: pd.DataFrame) -> str:
    """A table whose cells are texts as a Markdown table."""
    lines = [list(table.columns), ["---"] * table.shape[1], *table.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def number(value: float, digits: int = 2) -> str:
    """Text of a number, without the 0 before the decimal point; a dash for NaN."""
    if pd.isna(value):
        return "-"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.{digits}f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.{digits}f}"
