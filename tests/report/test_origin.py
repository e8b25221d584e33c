"""Which results a report is made of: their origin, what is missing, and what is left from earlier runs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from curbd import tables
from curbd.cli import main as curbd
from curbd.errors import UserError
from curbd.report import write_report
from curbd.report.page import pages
from curbd.report.questions import pathway_tables
from curbd.report.reading import read_run
from curbd.storage.netcdf import read_netcdf, write_netcdf
from tests.support.small_run import call, copy_tables, page_paths


def test_provenance_names_the_files_and_versions(run: Path, page: str) -> None:
    recording = read_netcdf(run / "three" / "recording.nc")
    assert recording.attrs["sha256"] in page
    assert "numpy " + np.__version__ in page


def test_a_recording_left_from_an_earlier_config_is_not_read(run: Path, tmp_path: Path) -> None:
    """A model that had bins of its own once, and has none now."""
    place = tmp_path / "results"
    shutil.copytree(run, place)
    for name in ("three", "alone"):
        left = read_netcdf(run / name / "recording.nc").isel(trial=[0])
        write_netcdf({"/": left}, place / name / "full" / "recording.nc")
    for width, trials in ((None, [6, 14]), (0.02, [1, 1])):
        origin = json.loads((run / "tables" / "provenance.json").read_text(encoding="utf-8"))
        origin["config"]["models"]["full"]["bin_width_s"] = width
        (place / "tables" / "provenance.json").write_text(json.dumps(origin), encoding="utf-8")
        fits = [read_run(place / "tables", place).recording(name).fits[0] for name in ("three", "alone")]
        assert sorted(fit.recording.sizes["trial"] for fit in fits if fit.name == "full") == trials


def test_missing_tables_are_all_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"found missing files: fits\.csv, region_scores\.csv, units\.csv") as raised:
        write_report(tmp_path, run, tmp_path / "report.html")
    assert "latents.parquet" in str(raised.value)
    assert not (tmp_path / "report.html").exists()


def test_the_same_results_give_the_same_bytes(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Neither the wall time of the fits nor the user's own style of drawing shows on the page of a low-rank network,
    # which has most kinds of figures.
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 17)
    again = read_run(run / "tables", run)
    fits = again.tables["fits"].assign(seconds=99.0)
    of_model = again.tables | {"fits": fits[fits["model"] == "low"]}
    wanted = "report/recordings/three/low.html"
    drawn = next(page for path, page in pages(again._replace(names=["three"], tables=of_model)) if path == wanted)
    assert drawn.rstrip() + "\n" == (run / "tables" / wanted).read_text(encoding="utf-8")
    assert matplotlib.rcParams["font.size"] == 17


def test_tables_and_report_are_made_of_what_succeeded(run: Path, tmp_path: Path) -> None:
    results = Path(shutil.copytree(run, tmp_path / "results"))
    origin = json.loads((results / "tables" / "provenance.json").read_text(encoding="utf-8"))
    assert origin["left_out"] == {}
    assert set(origin["remarks"]) == {"three", "alone"}
    (results / "alone" / "low" / "network.nc").unlink()
    (results / "logs" / "fit" / "alone").mkdir(parents=True)
    (results / "logs" / "fit" / "alone" / "low.log").write_text("found <no space> left\n", encoding="utf-8")
    plan = run.parent / "plan.json"
    assert curbd(["tables", "--partial", f"--results={results}", f"--plan={plan}"]) == 0
    fits = tables.read("fits", results / "tables" / "fits.csv")
    assert set(zip(fits["recording"], fits["model"], strict=True)) == {
        ("three", "full"),
        ("three", "low"),
        ("alone", "full"),
    }
    # Snakemake collects the tables again in the next run.
    assert (results / "tables" / "provenance.json").stat().st_mtime == 1
    (results / "three" / "recording.nc").unlink()
    assert curbd(["tables", "--partial", f"--results={results}", f"--plan={plan}"]) == 0
    assert set(tables.read("fits", results / "tables" / "fits.csv")["recording"]) == {"alone"}
    origin = json.loads((results / "tables" / "provenance.json").read_text(encoding="utf-8"))
    origin["remarks"]["alone"] = ["M2 is left out, with fewer than 3 units."]
    (results / "tables" / "provenance.json").write_text(json.dumps(origin), encoding="utf-8")
    call(curbd, "group", tables=results / "tables", out=results / "tables" / "group.csv")
    write_report(results / "tables", results, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Not in this report" in page
    assert "alone, low: the step fit did not finish: found &lt;no space&gt; left" in page
    assert "M2 is left out, with fewer than 3 units." in page


def test_provenance_is_not_needed_and_pages_of_recordings_that_are_gone_are_deleted(run: Path, tmp_path: Path) -> None:
    copy_tables(run, tmp_path, ["alone"])
    left = tmp_path / "report" / "recordings" / "three" / "full.html"
    left.parent.mkdir(parents=True)
    for path in (left, left.parent.with_suffix(".html")):
        path.write_text("<h1>three</h1>", encoding="utf-8")
    write_report(tmp_path, run, tmp_path / "report.html")
    assert {path.name for path in (tmp_path / "report" / "recordings").iterdir()} == {"alone.html", "alone"}
    page = "\n".join(path.read_text(encoding="utf-8") for path in page_paths(tmp_path))
    assert "Where the results come from" in page
    assert "three" not in re.findall(r"<h1[^>]*>([^<]+)<", page)


def test_models_are_in_the_order_of_the_config(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "tables", tmp_path / "tables")
    origin = json.loads((run / "tables" / "provenance.json").read_text(encoding="utf-8"))
    models = origin["config"]["models"]
    assert list(models) == ["full", "low"]
    origin["config"]["models"] = {name: models[name] for name in ("low", "full")}
    (tmp_path / "tables" / "provenance.json").write_text(json.dumps(origin), encoding="utf-8")
    other = read_run(tmp_path / "tables", run)
    assert other.models == [fit.name for fit in other.recording("three").fits] == ["low", "full"]
    assert [table.heading for table in pathway_tables(other)] == ["low", "full"]
