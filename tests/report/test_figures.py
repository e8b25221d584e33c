"""Figures of the report: words for readers who cannot see them, colours of the page, and the line that draws them."""

from __future__ import annotations

import json
import re
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from curbd import tables
from curbd.errors import UserError
from curbd.report import (
    contrast_figures,
    current_figures,
    effect_figures,
    effect_matrix,
    fit_figures,
    network_figure,
    region_effects,
    truth_figures,
    verdict_figure,
)
from curbd.report.drawing import report_style, resolved_first
from curbd.report.figures import plot
from curbd.report.grid import grid
from curbd.report.latent_figures import trajectories
from curbd.report.page_colours import DARK_PAPER, luminance
from curbd.report.reading import RecordingResults, read_run
from curbd.report.recording_figures import activity
from curbd.report.wording import percent_text, source_label
from tests.support.small_run import EVIL, REGIONS


def test_conditions_and_regions_are_named_under_the_pointer(page: str) -> None:
    assert "side=left" in page
    cells = re.findall(r"<title>([^<]*)</title>", page)
    assert any(re.match(r"A &amp;amp; co, C|A &amp; co, ", cell) for cell in cells)


def test_figures_follow_the_colours_of_the_page(page: str) -> None:
    figures = re.findall(r'<svg role="img".*?</svg>', page, re.DOTALL)
    assert figures
    assert all("#1a1a1a" not in re.sub(r"var\([^)]*\)", "", figure) for figure in figures)
    assert all('fill="var(--ink, #1a1a1a)"' in figure[: figure.index(">")] for figure in figures)
    identifiers = [re.findall(r'\bid="([^"]+)"', text) for text in page.split("<!DOCTYPE html>")]
    assert all(len(names) == len(set(names)) for names in identifiers)


def test_pictures_say_in_words_what_they_show(page: str) -> None:
    images = re.findall(r"<img [^>]*>|<svg role[^>]*>", page)
    assert all(re.search(r'(alt|aria-label)="[^"]{10,}"', image) for image in images)
    for picture in ("Matrix of verdicts", "Matrix of mean currents", "Matrix of effects", "Latent variables over time"):
        assert any(picture in image for image in images)
    for picture in ("Vector field of the latents", "Loadings of the units", "Rank of the connectivity"):
        assert any(picture in image for image in images)


def test_order_and_colours_of_regions_are_those_of_the_config(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "tables", tmp_path / "tables")
    origin = json.loads((run / "tables" / "provenance.json").read_text(encoding="utf-8"))
    origin["config"]["report"] = {"regions": ["$C_", "A & co"], "colours": {"A & co": "#123456"}}
    (tmp_path / "tables" / "provenance.json").write_text(json.dumps(origin), encoding="utf-8")
    palette = read_run(tmp_path / "tables", run).palette
    assert list(palette) == ["$C_", "A & co", EVIL, "ca1"]
    assert palette["A & co"] == "#123456"


def test_lines_and_texts_stand_out_from_a_dark_page(page: str) -> None:
    for text in page.split("<!DOCTYPE html>")[1:]:
        lighter = dict(re.findall(r"(--lit-[0-9a-f]{6}): (#[0-9a-f]{6});", text))
        assert set(re.findall(r"var\((--lit-[0-9a-f]{6}),", text)) == set(lighter)
        for colour in lighter.values():
            # The contrast that WCAG 2.2 asks of text at level AA.
            assert (luminance(colour) + 0.05) / (luminance(DARK_PAPER) + 0.05) >= 4.5
    assert "--lit-0072b2" in page


def test_pathways_without_a_verdict_have_a_sign_of_their_own(three: RecordingResults) -> None:
    full = three.fits[0]
    pathways = full.tables["pathways"].assign(grade="cannot_tell", verdict="unresolved", reason_codes="wide_interval")
    within = pathways["source"] == pathways["target"]
    pathways.loc[within, "reason_codes"] = "not_judged"
    palette = dict.fromkeys(REGIONS, "black")
    with report_style():
        judged = verdict_figure.verdicts(full._replace(tables=full.tables | {"pathways": pathways}), palette)
        calm = verdict_figure.verdicts(full, palette)
    texts = [text.get_text() for text in judged.figure.axes[0].texts]
    assert sum(text.startswith("○") for text in texts) == within.sum()
    assert sum(text.startswith("?") for text in texts) == (~within).sum()
    assert "○: not judged" in judged.caption
    assert "not judged" not in calm.caption


def test_a_pathway_of_rank_zero_is_not_drawn(three: RecordingResults) -> None:
    full = three.fits[0]
    palette = dict.fromkeys(REGIONS, "black")

    def arrows(rank: int) -> tuple[int, str]:
        pathways = full.tables["pathways"].assign(grade="cannot_tell", rank=pd.array([rank] * 15, dtype="Int64"))
        with report_style():
            drawing = network_figure.diagram(full._replace(tables=full.tables | {"pathways": pathways}), palette)
        assert drawing
        drawn = drawing.figure.axes[0].patches
        return sum(isinstance(patch, FancyArrowPatch) for patch in drawn), drawing.caption

    assert arrows(1)[0] == 6
    n_drawn, caption = arrows(0)
    assert n_drawn == 0
    assert "No pathway is drawn" in caption


def test_a_figure_of_some_pathways_says_of_how_many(three: RecordingResults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth_figures, "MAX_RECOVERED_PATHWAYS", 2)
    monkeypatch.setattr(network_figure, "MAX_ARROWS", 4)
    full = three.fits[0]
    palette = dict.fromkeys(REGIONS, "black")
    tables_of = full.tables | {"pathways": full.tables["pathways"].assign(grade="supported")}
    with report_style():
        recovery = truth_figures.recovery(full, palette)
        diagram = network_figure.diagram(full._replace(tables=tables_of), palette)
    assert recovery
    assert diagram
    assert "2 of 12 pathways are shown, those with the largest shares" in recovery.caption
    assert diagram.caption.startswith("4 of 6 pathways between regions are drawn, those with the best evidence.")


def test_differences_of_one_target_have_one_scale_and_all_have_numbers(three: RecordingResults) -> None:
    rows, _ = next(contrast_figures.compared(three.fits[0]))
    flipped = (rows["source"] == "input:step") & (rows["target"] == "$C_")
    of_pattern = rows["part"] == "pattern"
    rows = rows.assign(
        relative_difference=np.where(of_pattern, -0.02, 0.01),
        standardised=rows["standardised"].mask(flipped),
        q_value=rows["q_value"].mask(flipped),
    )
    rows.loc[flipped, "relative_difference"] = 1.5
    with report_style():
        drawing = contrast_figures.matrix(rows, dict.fromkeys(REGIONS, "black"))
    told = [str(patch.get_gid()) for patch in drawing.figure.axes[0].patches]
    (cell,) = [text for text in told if "step (input) → $C_" in text]
    assert "pattern 1.5 sd (no q: the trials of a level are all the same)" in cell
    assert "+1.50" in [text.get_text() for text in drawing.figure.axes[0].texts]
    assert "standard deviations of the total current into the target" in drawing.caption
    assert "Grey cells: the difference is smaller than trials of one condition differ by chance" in drawing.caption


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


def test_a_resolved_pathway_of_a_small_share_is_drawn_before_larger_ones() -> None:
    pathways = pd.DataFrame({"share": [0.3, 0.01, 0.2], "verdict": ["unresolved", "resolved", "unresolved"]})
    assert resolved_first(pathways)["share"].tolist() == [0.01, 0.3, 0.2]


def test_the_free_run_of_trials_that_start_late_is_shown(three: RecordingResults) -> None:
    full = three.fits[0]
    rates = full.recording["rates"].transpose("trial", "time", "unit").copy(deep=True)
    rates[:, :3] = np.nan
    rates[:, 20] = np.nan
    palette = dict.fromkeys(REGIONS, "black")
    with report_style():
        assert fit_figures.unit_traces(full._replace(recording=full.recording.assign(rates=rates)), palette)


def test_a_simulation_that_leaves_the_recorded_range_is_remarked(three: RecordingResults) -> None:
    full = three.fits[0]
    palette = dict.fromkeys(REGIONS, "black")
    course = full.tables["inactivation_timecourses"]
    with report_style():
        calm = effect_figures.timecourses(full, palette)
        far = full.tables | {"inactivation_timecourses": course.assign(intact_mean=course["intact_mean"] + 1.0)}
        wild = effect_figures.timecourses(full._replace(tables=far), palette)
    assert calm
    assert wild
    assert "beyond the recorded range" not in calm.caption.lower()
    assert "beyond the recorded range" in wild.caption.lower()
    titles = [panel.get_title() for panel in wild.figure.axes[: len(wild.figure.axes) // 2]]
    assert all(title.endswith("beyond the recorded range") for title in titles)


def test_intervals_of_fits_without_a_posterior_are_called_so(three: RecordingResults) -> None:
    full, low = three.fits
    assert full.interval_label == "95 % interval"
    assert low.interval_label == "95 % interval over 2 fits"


def test_a_current_of_a_pathway_that_may_not_exist_is_explained(three: RecordingResults) -> None:
    full = three.fits[0]
    palette = dict.fromkeys(REGIONS, "black")
    currents = full.tables["currents"]
    captions = {}
    with report_style():
        for low, high in ((-1.0, 1.0), (0.5, 1.0)):
            tables_of = full.tables | {
                "currents": currents.assign(ci_low=low, ci_high=high),
                "pathways": full.tables["pathways"].assign(grade="no_evidence"),
            }
            captions[low] = current_figures.matrix(full._replace(tables=tables_of), palette).caption
    assert "An interval that excludes zero is no evidence" in captions[0.5]
    assert "An interval that excludes zero is no evidence" not in captions[-1.0]


def drawn_boxes(figure: Figure) -> dict[str, Bbox]:
    """Every text of a figure and the box in pixels in which the text is drawn."""
    figure.draw_without_rendering()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return {text.get_text(): text.get_window_extent() for text in texts}


def test_names_of_many_small_regions_do_not_lie_on_one_another(three: RecordingResults) -> None:
    regions = [f"V{number}" for number in range(11) for _ in range(6)]
    units = three.recording["unit_id"].size
    recording = three.recording.isel(unit=np.arange(len(regions)) % units).assign(region=("unit", regions))
    with report_style():
        boxes = drawn_boxes(activity(recording, dict.fromkeys(regions, "#000000")).figure)
    names = sorted((box.y0, box.y1) for text, box in boxes.items() if text.endswith(" (6)"))
    assert len(names) == 11
    assert all(lower[1] <= upper[0] + 1 for lower, upper in pairwise(names))


def test_effects_on_spikes_are_in_hz_and_in_percent(three: RecordingResults) -> None:
    full = three.fits[0]
    assert region_effects.effects_in_hz(full) == {}
    inactivations = full.tables["inactivations"]
    for expected_hz, text in ((np.nan, "−1 Hz (−10 %)"), (-2.0, "−2 Hz (−20 %)")):
        rows = inactivations.assign(effect_hz=-1.0, expected_hz=expected_hz, intact_hz=10.0)
        in_hz = region_effects.effects_in_hz(full._replace(tables=full.tables | {"inactivations": rows}))
        assert set(in_hz.values()) == {text}


def test_sources_that_a_model_estimates_are_no_inputs() -> None:
    names = ["V1", "input:light", "input:evoked", "input:hidden_2"]
    assert list(map(source_label, names)) == ["V1", "light (input)", "evoked response", "hidden input 2"]


def test_numbers_are_written_for_people() -> None:
    rows = pd.DataFrame({"region": ["NA"], "n_units": [12], "samples_per_dimension": [2417.3], "share": [-0.01234]})
    assert grid("regions", rows).rows == [["NA", "12", "2417", "−0.0123"]]
    empty = grid("regions", rows.assign(n_latents=np.nan, note=""))
    assert [heading for heading, _ in empty.headings] == ["region", "n units", "samples per dimension", "share"]
    assert percent_text(-0.001) == "0 %"


def test_latents_of_populations_are_those_of_different_regions(three: RecordingResults) -> None:
    regions = ["A", "A", "B", "B", "C"]
    full = three.fits[0]
    networks = full.networks.assign_coords(latent_region=("latent", regions)).assign_attrs(level="population")
    columns = {
        "seed": [full.first_seed],
        "condition": three.recording["condition"].values[:1].astype(str),
        "trial": [0],
    }
    axes = {"latent": range(1, 6), "time_s": three.recording["time"].values[:4]}
    rows = pd.MultiIndex.from_product((columns | axes).values(), names=[*columns, *axes]).to_frame(index=False)
    fit = full._replace(networks=networks, tables=full.tables | {"latents": rows.assign(value=rows["time_s"])})
    drawing = trajectories(fit, {})
    titles = [panel.get_title() for panel in drawing.figure.axes]
    assert titles == ["latent 1\n(A)", "latent 3\n(B)", "latent 5\n(C)", "first two latents"]
    assert "have 5 latents" in drawing.caption
    assert "the first of every region is drawn" in drawing.caption


def test_arrows_between_neighbours_of_many_regions_are_longer_than_their_heads(three: RecordingResults) -> None:
    names = [f"R{index:02d}" for index in range(20)]
    pathways = pd.DataFrame({"source": names, "target": [*names[1:], names[0]]})
    pathways = pathways.assign(grade="resolved", grade_rank=1, share=0.3, rank=np.nan)
    full = three.fits[0]
    tables_of = full.tables | {"pathways": pathways, "regions": pd.DataFrame({"region": names})}
    with report_style():
        drawing = network_figure.diagram(full._replace(tables=tables_of), dict.fromkeys(names, "black"))
        assert drawing
        drawing.figure.canvas.draw()
        panel = drawing.figure.axes[0]
        arrows = [patch for patch in panel.patches if isinstance(patch, FancyArrowPatch)]
        circles = [patch for patch in panel.patches if isinstance(patch, Circle)]
        in_points = panel.transData.transform([circle.center for circle in circles]) * 72 / drawing.figure.dpi
        radius = np.ptp(circles[0].get_window_extent().intervalx) / 2 * 72 / drawing.figure.dpi
    apart = np.linalg.norm(np.diff(in_points, axis=0), axis=1).min() - 2 * radius
    assert len(arrows) == 20
    for arrow in arrows:
        # Matplotlib makes a head 0.4 times as long as this scale, behind the gaps on both sides.
        assert apart - arrow.shrinkA - arrow.shrinkB > 2 * 0.4 * arrow.get_mutation_scale()


def test_supported_effects_are_marked_where_cells_have_text_and_where_they_have_none(
    three: RecordingResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = three.fits[0]
    effects = full.tables["inactivations"].assign(verdict="unsupported")
    target = effects["target"].iloc[0]
    effects.loc[effects["target"] == target, "verdict"] = "supported"
    fit = full._replace(tables=full.tables | {"inactivations": effects})

    def texts() -> tuple[list[str], str]:
        with report_style():
            drawing = effect_matrix.matrix(fit, dict.fromkeys(REGIONS, "black"))
        assert drawing
        return [text.get_text() for text in drawing.figure.axes[0].texts], drawing.caption

    written, _ = texts()
    assert any("supported" in text.split("\n") for text in written)
    monkeypatch.setattr(effect_matrix, "MAX_REGIONS_WITH_TEXT", 2)
    signs, caption = texts()
    assert set(signs) == {"✓"}
    assert "✓: supported" in caption
