"""The small run and its report, which all tests of the report share."""

from __future__ import annotations

from pathlib import Path

import pytest

from curbd.report import write_report
from curbd.report.reading import RecordingResults, read_run
from tests.support.small_run import made_once, page_paths, small_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the small run, with its report."""

    def make(folder: Path) -> None:
        results = small_run(folder)
        write_report(results / "tables", results, results / "tables" / "report.html")

    return made_once(tmp_path_factory, "small_run", make) / "results"


@pytest.fixture(scope="session")
def page(run: Path) -> str:
    """All pages of the report of that run."""
    return "\n".join(path.read_text(encoding="utf-8") for path in page_paths(run / "tables"))


@pytest.fixture(scope="session")
def three(run: Path) -> RecordingResults:
    """Results of the recording of three regions, which no test changes."""
    return read_run(run / "tables", run).recording("three")
