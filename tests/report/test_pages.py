"""The pages of the report: complete, self-contained, safe, and small."""

from __future__ import annotations

import html
import re
from pathlib import Path
from urllib.parse import unquote

import pandas as pd

from curbd import tables
from curbd.report import questions
from curbd.report.code_words import coded
from curbd.report.origin import definitions
from curbd.report.reading import read_run
from tests.support.small_run import CONFIG, EVIL, GENOTYPES, REGIONS, optional_rows, page_paths


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


def test_contrasts_and_sessions_have_their_place(page: str) -> None:
    assert "Differences between conditions" in page
    assert "choice (left − right): the evoked currents of" in page
    assert "2 sessions of 2 animals" in page


def test_verdicts_in_windows_have_their_place(page: str) -> None:
    plain = re.sub("</?code>", "", page)
    # Both models of both recordings have the first window, and no recording has the second.
    assert page.count("Verdicts in parts of the trial") == 4
    assert page.count("0.1 to 0.35 s: of 6 pathways between regions") == 2
    assert "there are no verdicts in the window 7 to 8 s (verdict_windows_s)" in plain


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
    assert "By what the fits differ in: resampled trials: 0 of 1; estimator: 1 of 1." in page
    # Fits to resampled trials disagree in the weights by 0.25, and in the currents between regions by 0.02.
    assert re.search(r"<td>J</td>\s*<td>0.25</td>\s*<td></td>", page)
    assert re.search(r"<td>currents between regions</td>\s*<td>0.02</td>\s*<td>0.60</td>", page)


def test_one_region_has_no_pathway_to_judge(page: str) -> None:
    assert "there is no pathway to judge" in page


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
    shown = html.unescape(re.sub("</?code>", "", page))
    for _, row in rows[(rows["recording"] == "three") & (rows["source"] != rows["target"])].iterrows():
        assert row["reason"] in shown
        assert not isinstance(row["needed"], str) or row["needed"] in shown
    words = ("✓ resolved", "(✓) supported", "? cannot tell", "– no evidence")
    assert sum(page.count(word) for word in words) >= 12


def test_names_of_settings_and_files_are_in_the_font_of_code() -> None:
    text = "see `folds` of my_model (hidden_inputs: auto) in nulls.csv, A & <b>, m2: 3 of 4"
    assert coded(text) == (
        "see <code>folds</code> of <code>my_model</code> (<code>hidden_inputs: auto</code>) in <code>nulls.csv</code>, "
        "A &amp; &lt;b&gt;, m2: 3 of 4"
    )


def test_the_meaning_of_every_number_in_the_report_is_told_with_and_without_truth(run: Path) -> None:
    results = read_run(run / "tables", run)
    # As of a measured recording: no table has a column of the truth, and effects are in Hz.
    measured = {
        name: rows.drop(columns=[column for column in rows if column.startswith("true_")])
        for name, rows in results.tables.items()
    }
    measured["inactivations"] = measured["inactivations"].assign(expected_hz=1.0)
    for of_run in (results.tables, measured):
        told = {file: dict(columns) for file, columns in definitions(results._replace(tables=of_run))}
        for name in ("pathways", "inactivations"):
            numbers = {column.name for column in tables.TABLES[name].columns if column.kind == "number"}
            assert set(told[tables.TABLES[name].file]) == numbers & set(of_run[name])


def test_every_setting_of_a_model_is_on_its_page_with_its_meaning(run: Path) -> None:
    page = (run / "tables" / "report" / "recordings" / "three" / "low.html").read_text(encoding="utf-8")
    assert "connectivity has a low rank; 2 fits, of which all but the first use resampled trials" in page
    assert '<code>max_rank</code></td><td class="name"><code>10</code></td><td>Largest rank' in page


def test_supported_effects_are_not_shown_as_if_their_pathways_were_resolved(run: Path) -> None:
    results = read_run(run / "tables", run)
    pathways = results.tables["pathways"].assign(verdict="unresolved", grade="supported")
    effects = results.tables["inactivations"].assign(verdict="supported")
    doubtful = results._replace(tables=results.tables | {"pathways": pathways, "inactivations": effects})
    for table in questions.experiment_tables(doubtful, {}):
        assert {cell.kind for _, cells in table.rows for cell in cells} == {"supported"}
        assert table.remark.startswith("⚠ No pathway between regions is resolved in this model")
    sure = results._replace(
        tables=results.tables | {"pathways": pathways.assign(verdict="resolved"), "inactivations": effects}
    )
    assert not any("is resolved" in table.remark for table in questions.experiment_tables(sure, {}))


def test_a_recording_without_resolved_pathways_is_named_beside_others_with_some(run: Path) -> None:
    results = read_run(run / "tables", run)
    pathways = results.tables["pathways"].assign(verdict="unresolved", grade="supported")
    # The source of the only resolved pathway is the target of none.
    into_first = (pathways["source"] == REGIONS[1]) & (pathways["target"] == REGIONS[0])
    pathways.loc[into_first & (pathways["recording"] == "three"), "verdict"] = "resolved"
    effects = results.tables["inactivations"].assign(verdict="supported")

    def remarks(**of_run: pd.DataFrame) -> list[str]:
        mixed = results._replace(tables=results.tables | of_run)
        return [table.remark for table in questions.experiment_tables(mixed, {})]

    assert not any("is resolved" in remark for remark in remarks(pathways=pathways, inactivations=effects))
    other = {"recording": "other"}
    both = pd.concat([pathways, pathways.assign(**other, verdict="unresolved")])
    named = remarks(pathways=both, inactivations=pd.concat([effects, effects.assign(**other)]))
    assert all(
        remark.startswith("⚠ No pathway between regions is resolved in this model in other: ") for remark in named
    )


def test_pathways_of_a_single_recording_are_a_matrix(run: Path) -> None:
    results = read_run(run / "tables", run)
    pathways = results.tables["pathways"]
    single = results._replace(
        names=["three"], tables=results.tables | {"pathways": pathways[pathways["recording"] == "three"]}
    )
    for table in questions.pathway_tables(single):
        assert table.corner == "to ↓, from →"
        assert table.columns == [name for name in results.palette if name in REGIONS]
        assert [name for name, _ in table.rows] == table.columns
    for table in questions.pathway_tables(results):
        assert table.columns == [name for name in results.names if name in table.columns]


def test_differences_of_currents_that_may_be_wrong_are_not_green(run: Path) -> None:
    results = read_run(run / "tables", run)
    pathways = results.tables["pathways"].assign(verdict="unresolved")
    contrasts = results.tables["contrasts"].assign(q_value=0.01)
    for verdict, kind in (("unresolved", "supported"), ("resolved", "resolved")):
        of_verdict = {"pathways": pathways.assign(verdict=verdict, resolved_by="currents"), "contrasts": contrasts}
        for table in questions.contrast_tables(results._replace(tables=results.tables | of_verdict)):
            assert {cell.kind for _, cells in table.rows for cell in cells} == {kind}
