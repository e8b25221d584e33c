"""The report: an overview, a page for each recording and for each of its models, and a page for each question."""

from __future__ import annotations

from pathlib import Path

from curbd.report.page import OVERVIEW, pages
from curbd.report.reading import read_run
from curbd.storage.whole_files import whole_file


def write_report(tables: Path, results: Path, out: Path) -> None:
    """Write the report of a run; equal results give equal files, byte for byte.

    The overview links the pages of the recordings, of their models and of the questions, which lie in the folder
    ``report``. Every page is complete in itself: no page loads anything from another file or from the network.

    Parameters
    ----------
    tables : folder of the collected tables and provenance.json.
    results : folder of the run, with the recordings and the fitted networks.
    out : path of the overview, an HTML file.

    Raises
    ------
    UserError : a table, a recording or a network is missing.
    """
    out = Path(out)
    run = read_run(Path(tables), Path(results))
    written = set()
    for path, page in pages(run):
        target = out if path == OVERVIEW else out.parent / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(target) as temporary:
            temporary.write_text(page.rstrip() + "\n", encoding="utf-8", newline="\n")
        written.add(target)
    for left in list((out.parent / "report").rglob("*.html")):
        if left not in written:
            left.unlink()
            if not any(left.parent.iterdir()):
                left.parent.rmdir()
