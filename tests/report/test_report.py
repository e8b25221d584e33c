"""The report: self-contained, safe, complete, and the same bytes for the same results."""

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import matplotlib
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from curbd import tables, teachers
from curbd.cli import main as curbd
from curbd.errors import UserError
from curbd.report import findings, fit_figures, outlook, write_report
from curbd.report.drawing import report_style, resolved_first
from curbd.report.figures import plot
from curbd.report.grid import grid
from curbd.report.reading import RecordingResults, read_run
from curbd.settings.config import Config
from curbd.settings.plan import read_plan
from curbd.storage import read_netcdf, write_netcdf
from curbd.teachers import Teacher
from lrfit.cli import main as lrfit

GENOTYPES = {"three": "007 </td>"}
"""What is known about one of the recordings, which is no number and no HTML."""
EVIL = "<script>alert('B')</script>"
REGIONS = ("A & co", EVIL, "$C_")
CONFIG = Config.model_validate(
    {
        "recordings": "recordings.tsv",
        "models": {
            "full": {"family": "full_rank", "seeds": [0]},
            "low": {"family": "low_rank", "seeds": [3, 1]},
        },
        "contrasts": {"choice": {"column": "side", "permutations": 19}},
        "changes": {"learning": {"column": "side", "permutations": 19}},
        "verdict_windows_s": [[0.1, 0.35], [7, 8]],
    }
)


def call(command: Callable[[Sequence[str]], int], step: str, **values: object) -> None:
    """One step of the workflow, by the command that its rule calls."""
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
    assert command([step, *arguments]) == 0


def run_model(folder: Path, plan: Path, model: str) -> None:
    """Every step after ingest for one model of one recording."""
    place = folder / model
    paths = {name: place / table.file for name, table in tables.TABLES.items()}
    recording, network = folder / "recording.nc", place / "network.nc"
    low_rank = CONFIG.models[model].family == "low_rank"
    call(
        lrfit if low_rank else curbd,
        "fit",
        recording=recording,
        plan=plan,
        name=model,
        out=network,
        fits=paths["fits"],
        region_scores=paths["region_scores"],
        unit_scores=place / "unit_scores.csv",
        constraints=paths["constraints"],
    )
    fit = {"recording": recording, "network": network}
    call(
        curbd,
        "currents",
        **fit,
        out=place / "currents.nc",
        table=paths["currents"],
        pathways=paths["pathways"],
        nulls=paths["nulls"],
        balance=paths["balance"],
    )
    call(lrfit if low_rank else curbd, "windows", **fit, plan=plan, out=paths["pathway_windows"])
    call(
        curbd,
        "contrasts",
        **fit,
        currents=place / "currents.nc",
        plan=plan,
        out=paths["contrasts"],
        timecourses=paths["contrast_timecourses"],
    )
    if not low_rank:
        call(curbd, "changes", **fit, plan=plan, out=paths["changes"])
    call(
        curbd,
        "inactivate",
        **fit,
        experiments=folder / "experiments.json",
        pathways=paths["pathways"],
        out=paths["inactivations"],
        timecourses=paths["inactivation_timecourses"],
        units=paths["inactivation_units"],
        interactions=paths["interactions"],
    )
    if low_rank:
        call(lrfit, "latents", **fit, out=paths["latents"])
        mechanism = ("dynamics", "field", "geometry", "populations", "transmission")
        call(lrfit, "mechanism", **fit, **{name: paths[name] for name in mechanism})


def run_steps(folder: Path, recordings: Mapping[str, tuple[Teacher, list[str]]]) -> Path:
    """Every step of the workflow, the report left out.

    Parameters
    ----------
    folder : where the files and the results are written.
    recordings : name -> teacher and condition columns.
    """
    rows = ["recording\tpath\tformat\twindows.conditions\tabout.genotype"]
    for name, (teacher, conditions) in recordings.items():
        teachers.write_hdf5(teacher, folder / f"{name}.h5")
        rows.append(f"{name}\t{name}.h5\thdf5\t{json.dumps(conditions)}\t{GENOTYPES.get(name, '')}")
    (folder / "recordings.tsv").write_text("\n".join(rows) + "\n")
    config = CONFIG.model_dump(mode="json") | {"recordings": str(folder / "recordings.tsv")}
    plan, results = folder / "plan.json", folder / "results"
    plan.write_text(read_plan(config).to_json())
    for name in recordings:
        place = results / name
        call(
            curbd,
            "ingest",
            name=name,
            path=folder / f"{name}.h5",
            format="hdf5",
            plan=plan,
            out=place / "recording.nc",
            units=place / "units.csv",
            regions=place / "regions.csv",
        )
        call(curbd, "experiments", recording=place / "recording.nc", plan=plan, out=place / "experiments.json")
        for model in CONFIG.models:
            run_model(place, plan, model)
    call(curbd, "tables", results=results, plan=plan)
    call(curbd, "group", tables=results / "tables", out=results / "tables" / "group.csv")
    return results


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a run: a recording of three regions with hostile names, and one of a single region."""
    three = teachers.multi_region(regions=REGIONS, units=5, trials=14, samples=40, seed=1)
    alone = teachers.multi_region(regions=("ca1",), units=6, trials=6, samples=40, inputs="none", seed=2)
    recordings = {"three": (three, ["side"]), "alone": (alone, [])}
    results = run_steps(tmp_path_factory.mktemp("run"), recordings)
    for name, rows in optional_rows().items():
        tables.write(name, rows, results / "tables" / tables.TABLES[name].file)
    return results


def optional_rows() -> dict[str, pd.DataFrame]:
    """The tables of the recording of three regions as a run with `oscillators`, `gates` and `degeneracy` has them."""
    pairs = [(target, source) for target in REGIONS for source in REGIONS]
    forces = [(target, source, 1.5, 1 / 3, 0.0123 * (target != source)) for target, source in pairs]
    session = {"recording": "three", "subject": "three", "session": "three"}
    columns = ["target", "source", "rms", "share", "held_out_gain"]
    compared = {
        "model_a": ["full", "full", "full"],
        "model_b": ["full", "full", "low"],
        "quantity": ["J", "currents_between_regions", "currents_between_regions"],
        "agreement": [0.75, 0.98, 0.4],
        "varied": ["data", "data", "estimator"],
        "verdict": ["", "agree", "degenerate"],
    }
    gates = {"unit_id": ["u1", "u2"], "region": ["$C_", "$C_"], "tau_s": [0.1, 0.1], "opening": [0.4, 0.5]}
    gates |= {"opening_sd": [0.2, 0.0], "closed_share": [0.1, 0.0], "held_out_nats": [-31.7, 7.25]}
    gates |= {"held_out_nats_se": [1.5, 1.0], "verdict": ["no_evidence", "supported"]}
    gate_currents = {"target": ["$C_"], "source": ["leak"], "current_rms": [0.3], "current_share": [1.0]}
    gate_currents |= {name: [np.nan] for name in ("drive_rms", "drive_share", "drive_nats")}
    channels = {"unit_id": ["c1"], "region": ["$C_"], "frequency_hz": [7.5], "damping_per_s": [2.0], "quality": [11.8]}
    return {
        "oscillators": pd.DataFrame(channels | {"held_out_r2": [0.4]}).assign(**session),
        "oscillator_forces": pd.DataFrame(forces, columns=columns).assign(**session),
        "gates": pd.DataFrame(gates).assign(**session),
        "gate_currents": pd.DataFrame(gate_currents).assign(**session),
        "degeneracy": pd.DataFrame(compared).assign(
            target="all", source="all", ci_low=np.nan, ci_high=np.nan, **session
        ),
    }


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    """All pages of the report of that run."""
    write_report(run / "tables", run, run / "tables" / "report.html")
    return all_pages(run / "tables")


def all_pages(folder: Path) -> str:
    """The text of the overview and of all pages beside it."""
    return "\n".join(path.read_text(encoding="utf-8") for path in page_paths(folder))


def page_paths(folder: Path) -> list[Path]:
    """The overview and all pages beside it."""
    return [folder / "report.html", *sorted((folder / "report").rglob("*.html"))]


def test_there_is_a_page_for_every_recording_model_and_question(run: Path, page: str) -> None:
    assert page
    names = {str(path.relative_to(run / "tables")) for path in page_paths(run / "tables")}
    questions = {f"report/{name}.html" for name in ("pathways", "experiments", "contrasts", "group")}
    recordings = {f"report/recordings/{name}.html" for name in ("three", "alone")}
    models = {f"report/recordings/{name}/{model}.html" for name in ("three", "alone") for model in CONFIG.models}
    assert names == {"report.html"} | recordings | models | questions
    assert all(path.stat().st_size < 2_000_000 for path in page_paths(run / "tables"))


def test_a_page_loads_nothing_and_its_links_lead_to_pages(run: Path, page: str) -> None:
    assert page
    for path in page_paths(run / "tables"):
        text = path.read_text(encoding="utf-8")
        for loaded in re.findall(r"""<(?:img|image)[^>]*?(?:src|xlink:href)="([^"]*)""", text):
            assert loaded.startswith("data:image/")
        assert not re.search(r"@import|<script[^>]* src|<link|<iframe", text)
        for address in set(re.findall(r"""<a [^>]*href="([^"]*)""", text)):
            page_of, _, place = address.partition("#")
            target = path if not page_of else path.parent / unquote(page_of)
            assert target.is_file()
            assert not place or f'id="{place}"' in target.read_text(encoding="utf-8")


def test_pages_of_recordings_that_are_gone_are_deleted(run: Path, tmp_path: Path) -> None:
    copy_tables(run, tmp_path, {})
    write_report(tmp_path, run, tmp_path / "report.html")
    copy_tables(run, tmp_path, {}, recordings=["alone"])
    write_report(tmp_path, run, tmp_path / "report.html")
    assert {path.name for path in (tmp_path / "report" / "recordings").iterdir()} == {"alone.html", "alone"}


def test_contrasts_and_sessions_have_their_place(page: str) -> None:
    assert "Differences between conditions" in page
    assert "choice (left − right): the evoked currents of" in page
    assert "2 sessions of 2 animals" in page


def test_verdicts_in_windows_have_their_place(page: str) -> None:
    # Both models of both recordings have the first window, and no recording has the second.
    assert page.count("Verdicts in parts of the trial") == 4
    assert page.count("0.1 to 0.35 s: of 6 pathways between regions") == 2
    assert "there are no verdicts in the window 7 to 8 s (verdict_windows_s)" in page


def test_what_is_known_about_a_recording_is_in_its_tables_and_on_its_page(run: Path, page: str) -> None:
    for name, table in tables.TABLES.items():
        rows = tables.read(name, run / "tables" / table.file)
        if table.names_sessions and name not in optional_rows() and len(rows):
            known = rows.groupby("recording")["about_genotype"].agg(set).to_dict()
            assert known == {recording: {GENOTYPES.get(recording, "")} for recording in known}
    assert page.count("<dt>genotype</dt><dd>007 &lt;/td&gt;</dd>") == 1
    assert "about genotype" not in page


def test_changes_of_weights_have_their_place(page: str) -> None:
    # Of the four models of two recordings, only `full` of `three` has enough trials and is of full rank.
    assert page.count("Weights that changed") == 1
    assert "learning (left − right): the weights of" in page


def test_oscillators_have_their_place(page: str) -> None:
    # Of the pages of recordings and models, that of the recording with oscillators alone has them.
    assert page.count('<h2 id="oscillators">') == 1
    cells = [html.unescape(html.unescape(title)) for title in re.findall(r"<title>([^<]*)</title>", page)]
    assert "A & co → $C_: share 33 %, held-out gain 0.012" in cells
    assert "<td>7.5</td>" in page


def test_gated_units_have_their_place(page: str) -> None:
    assert page.count('<h2 id="gates">') == 1
    assert "held-out trials are more likely in 1 of 2 units" in page
    assert page.index("<td>7.25</td>") < page.index("<td>−31.7</td>")


def test_disagreement_of_fits_has_its_place(page: str) -> None:
    assert page.count('<h2 id="degeneracy">') == 1
    assert "in 1 of 2 comparisons, networks that were fitted to the same recording send different currents" in page
    assert "full and low (estimator: r = 0.40)" in page
    # Fits to resampled trials disagree in the weights by 0.25, and in the currents between regions by 0.02.
    assert re.search(r"<td>J</td>\s*<td>0.25</td>\s*<td></td>", page)
    assert re.search(r"<td>currents between regions</td>\s*<td>0.02</td>\s*<td>0.60</td>", page)


def test_names_from_the_file_are_escaped(page: str) -> None:
    assert EVIL not in page
    assert html.escape(EVIL, quote=True).replace("&#x27;", "&#39;") in page
    assert "A &amp; co" in page
    assert "A & co" not in page


def test_every_recording_model_and_region_is_there(page: str) -> None:
    headings = re.findall(r"<h[12][^>]*>([^<]+)<", page)
    for wanted in ("three", "alone", "three: full", "three: low", "alone: full", "alone: low"):
        assert wanted in headings
    shown = html.unescape(page)
    for region in (*REGIONS, "ca1"):
        assert region in shown


def test_conditions_and_regions_are_named_under_the_pointer(page: str) -> None:
    assert "side=left" in page
    cells = re.findall(r"<title>([^<]*)</title>", page)
    assert any(re.match(r"A &amp;amp; co, C|A &amp; co, ", cell) for cell in cells)


def test_figures_follow_the_colours_of_the_page(page: str) -> None:
    figures = re.findall(r'<svg role="img".*?</svg>', page, re.DOTALL)
    assert figures
    assert all("#1a1a1a" not in re.sub(r"var\([^)]*\)", "", figure) for figure in figures)
    assert not any(re.search(r'<text style="(?![^"]*fill)', figure) for figure in figures)
    identifiers = [re.findall(r'\bid="([^"]+)"', text) for text in page.split("<!DOCTYPE html>")]
    assert all(len(names) == len(set(names)) for names in identifiers)


def test_order_and_colours_of_regions_are_those_of_the_config(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "tables", tmp_path / "tables")
    origin = json.loads((run / "tables" / "provenance.json").read_text(encoding="utf-8"))
    origin["config"]["report"] = {"regions": ["$C_", "A & co"], "colours": {"A & co": "#123456"}}
    (tmp_path / "tables" / "provenance.json").write_text(json.dumps(origin), encoding="utf-8")
    palette = read_run(tmp_path / "tables", run).palette
    assert list(palette) == ["$C_", "A & co", EVIL, "ca1"]
    assert palette["A & co"] == "#123456"


def test_the_line_below_a_figure_draws_it(run: Path, page: str) -> None:
    calls = re.findall(r"<code>curbd\.plot\(([^<]*)\)</code>", page)
    assert any("verdicts" in call for call in calls)
    axes = plot(run, "verdicts", recording="three", model="full")
    assert "A & co" in [text.get_text() for text in axes[0].get_yticklabels()]
    with pytest.raises(UserError, match="did you mean"):
        plot(run, "verdict", recording="three", model="full")
    with pytest.raises(UserError, match="nothing to show"):
        plot(run, "measured_effects", recording="three", model="full")


def test_a_figure_of_the_group_needs_no_recording(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected one of alone, three"):
        plot(run, "share", model="full")
    # The two recordings have no region in common; with a second session of the first, the group has a figure.
    shutil.copytree(run / "tables", tmp_path / "tables")
    group = tables.read("group", run / "tables" / "group.csv").assign(n_sessions=2)
    tables.write("group", group, tmp_path / "tables" / "group.csv")
    axes = plot(tmp_path, "share", model="full")
    assert re.search(r" → .*, all sessions: ", str(axes[0].lines[-1].get_gid()))
    with pytest.raises(UserError, match="did you mean"):
        plot(tmp_path, "shar", model="full")


TIME = 0.2
"""A time between the bins of the trials, at which a reader points into figures."""


@pytest.fixture(scope="module")
def answers(run: Path, page: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page of the full-rank network of the three regions tells a reader with a pointer and keys."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium on this machine")
    text = (run / "tables" / "report" / "recordings" / "three" / "full.html").read_text(encoding="utf-8")
    reader = (Path(__file__).parent / "reader.js").read_text(encoding="utf-8")
    reader = f"const TIME = {TIME};\nconst CHOSEN = {json.dumps(['A & co', '$C_'])};\n{reader}"
    folder = tmp_path_factory.mktemp("browser")
    read = folder / "page.html"
    read.write_text(text.replace("</body>", f"<script>{reader}</script></body>"), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'user'}", "--dump-dom"]
    shown = subprocess.run([browser, *options, read.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    answer = re.search(r"<pre>(.*?)</pre>", shown.stdout, re.DOTALL)
    assert answer, shown.stdout[-500:]
    return dict(json.loads(html.unescape(answer[1])))


def test_curves_tell_their_values_under_the_pointer(run: Path, answers: dict[str, Any]) -> None:
    currents = tables.read("currents", run / "tables" / "currents.parquet")
    currents = currents[
        (currents["recording"] == "three") & (currents["model"] == "full") & (currents["sign"] == "net")
    ]
    named = dict.fromkeys(currents["source"].unique())
    assert len(answers["values"]) == len(REGIONS) * (len(named) - 1)
    for text in answers["values"]:
        pathway, at, *lines = text.split("\n")
        source, target = (name.removesuffix(" (input)") for name in pathway.split(" → "))
        source = source if source in named else f"input:{source}"
        assert float(at.removeprefix("time (s): ")) == pytest.approx(TIME, abs=0.01)
        of_pathway = currents[(currents["target"] == target) & (currents["source"] == source)]
        # A tenth of a point of a panel, and half a unit of the third digit that is answers.
        precision = 0.004 * np.ptp(of_pathway[["ci_low", "ci_high"]].to_numpy())
        for line in lines:
            match = re.fullmatch(r"side=(\w+): (\S+) \[(\S+), (\S+)\]", line.replace("\u2212", "-"))
            if match is None:
                assert "true" in line
                continue
            course = of_pathway[of_pathway["condition"] == match[1]].sort_values("time_s")
            for column, number in zip(("mean", "ci_low", "ci_high"), match.groups()[1:], strict=True):
                expected = np.interp(TIME, course["time_s"], course[column])
                assert float(number) == pytest.approx(expected, rel=0.006, abs=precision)
        assert sum("[" in line for line in lines) == 2


def test_a_part_of_a_figure_is_shown_larger_and_the_whole_is_saved(answers: dict[str, Any]) -> None:
    assert answers["zoomed"]
    assert answers["saved"]
    assert answers["unzoomed"]


def test_values_can_be_reached_by_keys_and_are_spoken(answers: dict[str, Any]) -> None:
    assert "time (s): " in answers["spoken"]
    assert " → " in answers["spoken"]


def test_cells_tell_verdict_and_numbers(run: Path, answers: dict[str, Any]) -> None:
    rows = tables.read("pathways", run / "tables" / "pathways.csv")
    rows = rows[(rows["recording"] == "three") & (rows["model"] == "full")]
    assert len(answers["cells"]) == rows["share"].notna().sum()
    assert all(
        re.search(r" → .*: (resolved|supported|cannot tell|no evidence).*; share .*, rms ", cell)
        for cell in answers["cells"]
    )


def test_a_reader_chooses_regions(run: Path, answers: dict[str, Any]) -> None:
    assert sorted(text.split(" (")[0] for text in answers["chosen"]) == sorted(
        f"{source} → {target}" for source in ("A & co", "$C_") for target in ("A & co", "$C_")
    )
    assert all(text.count("side=") == 2 for text in answers["chosen"])
    assert answers["code"].endswith("regions=['$C_', 'A & co'])")
    axes = plot(run, "currents", recording="three", model="full", regions=["A & co", "$C_"])
    assert [panel.get_label() for panel in axes] == [text.split(" (")[0] for text in answers["chosen"]]
    with pytest.raises(UserError, match="did you mean"):
        plot(run, "currents", recording="three", model="full", regions=["A & C"])


def test_one_region_has_no_pathway_to_judge(page: str) -> None:
    assert "there is no pathway to judge" in page


def test_pictures_say_in_words_what_they_show(page: str) -> None:
    images = re.findall(r"<img [^>]*>|<svg role[^>]*>", page)
    assert all(re.search(r'(alt|aria-label)="[^"]{10,}"', image) for image in images)
    for picture in ("Matrix of verdicts", "Matrix of mean currents", "Matrix of effects", "Latent variables over time"):
        assert any(picture in image for image in images)
    for picture in ("Vector field of the latents", "Loadings of the units", "Rank of the connectivity"):
        assert any(picture in image for image in images)


def test_every_statement_on_attractors_carries_its_warning(run: Path, page: str) -> None:
    fields = re.findall(r"<figcaption>Direction in which the latents.*?</figcaption>", page, re.DOTALL)
    assert fields
    assert all("partial observation: line attractor may be spurious" in caption for caption in fields)
    assert (tables.read("dynamics", run / "tables" / "dynamics.csv")["warning"].str.contains("spurious")).all()


def test_the_truth_is_shown_with_the_recovered_currents(run: Path, page: str) -> None:
    assert "The true network is known" in page
    assert "True and recovered currents of single units" in page
    true_r2 = tables.read("pathways", run / "tables" / "pathways.csv")["true_r2"].dropna()
    assert len(true_r2)
    assert "true r2" in page


def test_every_pathway_is_listed_with_its_verdict_and_reason(run: Path, page: str) -> None:
    rows = tables.read("pathways", run / "tables" / "pathways.csv")
    shown = html.unescape(page)
    for _, row in rows[(rows["recording"] == "three") & (rows["source"] != rows["target"])].iterrows():
        assert row["reason"] in shown
        assert not isinstance(row["needed"], str) or row["needed"] in shown
    words = ("✓ resolved", "(✓) supported", "? cannot tell", "– no evidence")
    assert sum(page.count(word) for word in words) >= 12


def test_the_same_results_give_the_same_bytes(
    run: Path, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Neither the wall time of the fits nor the user's own style of drawing shows in it.
    copy_tables(run, tmp_path, {"seconds": 99.0})
    (tmp_path / "provenance.json").write_bytes((run / "tables" / "provenance.json").read_bytes())
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 17)
    write_report(tmp_path, run, tmp_path / "report.html")
    assert all_pages(tmp_path) == page
    assert matplotlib.rcParams["font.size"] == 17


def copy_tables(
    run: Path, folder: Path, of_fits: Mapping[str, float], recordings: Sequence[str] = ("three", "alone")
) -> None:
    """Copy the tables of some recordings, with other values in fits.csv."""
    for name, table in tables.TABLES.items():
        rows = tables.read(name, run / "tables" / table.file)
        rows = rows[rows["recording"].isin(recordings)] if "recording" in rows else rows
        tables.write(name, rows.assign(**of_fits) if name == "fits" else rows, folder / table.file)


def test_provenance_names_the_files_and_versions(run: Path, page: str) -> None:
    recording = read_netcdf(run / "three" / "recording.nc")
    assert recording.attrs["sha256"] in page
    assert "numpy " + np.__version__ in page


def test_what_is_missing_and_what_to_look_at_stand_on_the_page(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "tables", tmp_path / "tables")
    origin = json.loads((run / "tables" / "provenance.json").read_text(encoding="utf-8"))
    assert origin["left_out"] == {}
    assert set(origin["remarks"]) == {"three", "alone"}
    origin["left_out"] = {"broken, low": "the step fit did not finish: <no space>"}
    origin["remarks"]["three"] = ["M2 is left out, with fewer than 3 units."]
    (tmp_path / "tables" / "provenance.json").write_text(json.dumps(origin), encoding="utf-8")
    write_report(tmp_path / "tables", run, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Not in this report" in page
    assert "broken, low: the step fit did not finish: &lt;no space&gt;" in page
    assert "M2 is left out, with fewer than 3 units." in page


def test_tables_and_report_are_made_of_what_succeeded(run: Path, tmp_path: Path) -> None:
    results = Path(shutil.copytree(run, tmp_path / "results"))
    (results / "alone" / "low" / "network.nc").unlink()
    (results / "logs" / "fit" / "alone").mkdir(parents=True)
    (results / "logs" / "fit" / "alone" / "low.log").write_text("found no space left\n", encoding="utf-8")
    plan = run.parent / "plan.json"
    assert curbd(["tables", "--partial", f"--results={results}", f"--plan={plan}"]) == 0
    call(curbd, "group", tables=results / "tables", out=results / "tables" / "group.csv")
    write_report(results / "tables", results, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "alone, low: the step fit did not finish: found no space left" in page
    fits = tables.read("fits", results / "tables" / "fits.csv")
    assert set(zip(fits["recording"], fits["model"], strict=True)) == {
        ("three", "full"),
        ("three", "low"),
        ("alone", "full"),
    }
    # Snakemake collects the tables again in the next run.
    assert (results / "tables" / "provenance.json").stat().st_mtime == 1
    (results / "alone" / "recording.nc").unlink()
    assert curbd(["tables", "--partial", f"--results={results}", f"--plan={plan}"]) == 0
    assert set(tables.read("fits", results / "tables" / "fits.csv")["recording"]) == {"three"}


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


def test_provenance_is_not_needed(run: Path, tmp_path: Path) -> None:
    copy_tables(run, tmp_path, {}, recordings=["alone"])
    write_report(tmp_path, run, tmp_path / "report.html")
    page = all_pages(tmp_path)
    assert "Where the results come from" in page
    assert "three" not in re.findall(r"<h1[^>]*>([^<]+)<", page)


def test_missing_tables_are_all_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"found missing files: fits\.csv, region_scores\.csv, units\.csv") as raised:
        write_report(tmp_path, run, tmp_path / "report.html")
    assert "latents.parquet" in str(raised.value)
    assert not (tmp_path / "report.html").exists()


def scored(run: Path, **changed: float) -> RecordingResults:
    """The full-rank fit of the three regions with other test scores."""
    three = read_run(run / "tables", run).recording("three")
    full = three.fits[0]
    fits = full.tables["fits"].copy()
    for column, value in changed.items():
        fits.loc[fits["split"] == "test", column] = value
    return three._replace(fits=[full._replace(tables=full.tables | {"fits": fits})])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"residual_autocorrelation": 0.6}, "correlated in time (0.60"),
        ({"residual_autocorrelation": -0.5}, "correlated in time (−0.50"),
        ({"one_step_r2": -1.0}, "learned is noise"),
        ({"free_run_r2": np.nan}, "free simulation could not be scored"),
        ({"free_run_r2": -0.5, "baseline_r2": 0.25}, "average trial does (0.25)"),
    ],
)
def test_a_reader_is_warned(run: Path, changed: dict[str, float], words: str) -> None:
    assert any(words in warning for warning in findings.warnings(scored(run, **changed)))


def test_a_good_fit_is_not_warned_about(run: Path) -> None:
    calm = {
        "residual_autocorrelation": 0.0,
        "one_step_r2": 0.9,
        "free_run_r2": 0.5,
        "baseline_r2": 0.1,
    }
    warnings = findings.warnings(scored(run, **calm))
    assert not [
        warning for warning in warnings if "residual" in warning or "noise" in warning or "free simulation" in warning
    ]


def test_populations_predicted_as_well_by_their_own_region_are_named(run: Path) -> None:
    full = scored(run).fits[0]
    regions = sorted(set(full.tables["pathways"]["target"]))
    scores = pd.DataFrame({"region": regions, "score": "cosmoothing", "split": "test"}).assign(
        bits_per_spike=0.2, own_region_bits_per_spike=[0.21, *(0.1 for _ in regions[1:])]
    )
    pathways = full.tables["pathways"].assign(verdict="resolved")
    networks = full.networks.assign_attrs(level="population")
    fit = full._replace(networks=networks, tables=full.tables | {"pathways": pathways, "region_scores": scores})
    warnings = findings.warnings(scored(run)._replace(fits=[fit]))
    (warning,) = [text for text in warnings if "add nothing to the prediction" in text]
    assert warning.startswith(f"full: unseen units of {regions[0]} are predicted")


def test_currents_of_pathways_that_are_resolved_by_skewness_are_not_to_be_read(run: Path) -> None:
    recorded = scored(run)
    full = recorded.fits[0]
    pathways = full.tables["pathways"].assign(verdict="resolved", grade="resolved", resolved_by="skewness")
    fit = full._replace(tables=full.tables | {"pathways": pathways})
    steps = outlook.outlook(recorded._replace(fits=[fit]), []).next_steps
    assert not any(step.startswith("Read the currents") for step in steps)
    assert any("6 pathways resolved by skewness" in step for step in steps)


def test_a_resolved_pathway_of_a_small_share_is_drawn_before_larger_ones() -> None:
    pathways = pd.DataFrame({"share": [0.3, 0.01, 0.2], "verdict": ["unresolved", "resolved", "unresolved"]})
    assert resolved_first(pathways)["share"].tolist() == [0.01, 0.3, 0.2]


def judged(run: Path, **columns: object) -> findings.Summary:
    """The full-rank fit of the three regions with other verdicts on its pathways."""
    full = scored(run).fits[0]
    pathways = full.tables["pathways"].assign(**columns)
    resolved = pathways["verdict"] == "resolved"
    grade = np.where(resolved, "resolved", columns.get("grade", "cannot_tell"))
    pathways = pathways.assign(grade=grade, grade_rank=np.argsort(np.argsort(~resolved, kind="stable")) + 1)
    return findings.summarise(full._replace(tables=full.tables | {"pathways": pathways}))


def test_the_verdict_comes_in_plain_words(run: Path) -> None:
    none = judged(run, verdict="unresolved")
    assert none.sentence.startswith("None of the 6 pathways between regions is resolved")
    supported = judged(run, verdict="unresolved", grade="supported")
    assert "There is evidence for 6 pathways" in supported.sentence
    assert {pathway.grade for pathway in supported.pathways} == {"(✓) supported, confounds possible"}
    assert judged(run, verdict="resolved").sentence == "All 6 pathways between regions are resolved."
    source = tables.read("pathways", run / "tables" / "pathways.csv").query("recording == 'three' and model == 'full'")
    from_a = np.where(source["source"] == "A & co", "resolved", "unresolved")
    some = judged(run, verdict=from_a)
    assert some.sentence.startswith("2 of 6 pathways between regions are resolved: A & co → ")
    assert [pathway.verdict for pathway in some.pathways] == ["resolved"] * 2 + ["unresolved"] * 4


def test_a_verdict_that_the_truth_contradicts_is_reported(run: Path) -> None:
    wrong = judged(run, verdict="resolved", true_r2=-1.0, true_r=0.1)
    assert "of 6 pathways called resolved, 0 have an R² above 0.5" in wrong.truth
    # Three targets of five sources each; the second row is the one pathway between regions that is real.
    true = [np.nan, 0.9] + [np.nan] * 13
    absent = judged(run, verdict="resolved", true_r2=true, true_r=true)
    assert "of 11 pathways without a true current (inputs included), 11 are called resolved" in absent.truth.lower()


def test_the_free_run_of_trials_that_start_late_is_shown(run: Path) -> None:
    full = scored(run).fits[0]
    rates = full.recording["rates"].transpose("trial", "time", "unit").copy(deep=True)
    rates[:, :3] = np.nan
    rates[:, 20] = np.nan
    palette = dict.fromkeys(REGIONS, "black")
    with report_style():
        assert fit_figures.unit_traces(full._replace(recording=full.recording.assign(rates=rates)), palette)


def test_clipped_rates_are_counted(run: Path) -> None:
    recording = read_netcdf(run / "three" / "recording.nc")
    assert findings.clipped_share(recording.assign(rates=recording["rates"] * 0.5)) == 0.0
    first_tenth = xr.DataArray(np.arange(recording.sizes["time"]) < recording.sizes["time"] // 10, dims="time")
    high = xr.where(first_tenth, 2.0, xr.zeros_like(recording["rates"]))
    assert findings.clipped_share(recording.assign(rates=high)) == pytest.approx(0.1)


def test_numbers_are_written_for_people() -> None:
    rows = pd.DataFrame({"region": ["NA"], "n_units": [12], "samples_per_dimension": [2417.3], "share": [-0.01234]})
    assert grid("regions", rows).rows == [["NA", "12", "2417", "−0.0123"]]
