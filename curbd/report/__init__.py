"""The report: one self-contained HTML file that shows and judges all results of a run."""

from __future__ import annotations

from pathlib import Path

from curbd.report.page import render
from curbd.report.reading import read_run
from curbd.storage import whole_file


def write_report(tables: Path, results: Path, out: Path) -> None:
    """Write the report of a run; equal results give equal files, byte for byte.

    Parameters
    ----------
    tables : folder of the collected tables and provenance.json.
    results : folder of the run, with the recordings and the fitted networks.
    out : path of the HTML file to write.

    Raises
    ------
    UserError : a table, a recording or a network is missing.
    """
    page = render(read_run(Path(tables), Path(results)))
    with whole_file(out) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")
