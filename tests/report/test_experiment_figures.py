"""Pictures of experiments show what the tables hold, and only what there is."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from curbd import teachers
from curbd.estimators.fitting import fit
from curbd.inactivation import run_experiments
from curbd.inactivation.comparison import compare
from curbd.inactivation.interactions import interaction_table
from curbd.inactivation.tabulate import inactivation_table, timecourse_table, unit_table
from curbd.pathways.judge import judge
from curbd.recording import open_recording
from curbd.recording.ingest import ingest
from curbd.report import dose_figure, effect_figures, effect_matrix, interaction_figures
from curbd.report.drawing import colours, report_style
from curbd.report.reading import ModelResults
from curbd.settings.experiments import ExperimentSettings, Inactivation
from curbd.settings.models import Model
from curbd.settings.recording import RecordingSettings
from curbd.tables import TABLES

PALETTE = colours("ABC")
MENU = {
    "off": Inactivation(region="A", action="clamp", value=-1.0, start_s=0.2, stop_s=0.6),
    "dose": Inactivation(region="B", strength=[0.25, 0.5, 1.0]),
    "part": Inactivation(region="A", fraction=[0.25, 0.5, 1.0], start_s=0.3),
    "cut": Inactivation(kind="pathway", source="A"),
    "silence": Inactivation(region="A"),
    "when": Inactivation(region="A", sweep_s=0.2),
}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> ModelResults:
    """A network fitted to the trials without laser, and experiments on it."""
    path = tmp_path_factory.mktemp("laser") / "laser.h5"
    light, apart = teachers.Laser("A", 0.2, 0.6), [("C", "A"), ("C", "B")]
    shape = {"units": 8, "trials": 80, "samples": 80, "substeps": 1}
    teacher = teachers.multi_region(**shape, gain=0.8, coupling=0.8, absent=apart, laser=light, seed=104)
    teachers.write_hdf5(teacher, path)
    settings = RecordingSettings.model_validate({"perturbed": [{"column": "laser", "value": "on", "like": "off"}]})
    with open_recording(path, "hdf5", settings) as file:
        recording, truth, _, regions, perturbed = ingest(file, settings, "rec")
    networks, _ = fit(recording, Model(family="full_rank", seeds=[0], tau_s=0.1), "m")
    outcome = run_experiments(recording, networks, MENU, truth, settings=ExperimentSettings(groups=9))
    pathways = judge(recording, networks)
    effects = inactivation_table(outcome, pathways)
    tables = {
        "regions": regions,
        "inactivations": effects,
        "interactions": interaction_table(outcome, effects, pathways),
        "inactivation_timecourses": timecourse_table(outcome),
        "inactivation_units": unit_table(outcome),
    }
    tables["perturbation_comparison"] = compare(
        recording, perturbed, tables["inactivations"], tables["inactivation_units"]
    )
    return ModelResults(name="m", recording=recording, truth=truth, networks=networks, tables=tables)


def test_every_experiment_is_in_the_matrix(fitted: ModelResults) -> None:
    with report_style():
        picture = effect_matrix.matrix(fitted, PALETTE)
    assert picture.caption.startswith("Predicted effect of every experiment")
    few = fitted.tables["inactivations"]
    few = few[few["perturbation"].str.contains("off|cut")]
    with report_style():
        picture = effect_matrix.matrix(fitted._replace(tables=fitted.tables | {"inactivations": few}), PALETTE)
    for name in ("off:A on B", "cut:A->B on B"):
        assert f"{name}: " in picture.alt
    rows = few.set_index(["perturbation", "target"])
    shown = float(re.search(r"off:A on B: ([\d.]+)", picture.alt)[1])
    assert shown == pytest.approx(rows.loc[("off:A", "B"), "expected_rms"], rel=0.05)  # two digits are shown


def test_series_of_doses_are_separate(fitted: ModelResults) -> None:
    with report_style():
        picture = dose_figure.doses(fitted, PALETTE)
    assert set(picture.alt.partition(": ")[2].split("; ")) == {"dose:B", "part:A"}
    assert "true network" in picture.caption


def test_the_strongest_supported_effects_are_shown_over_time(fitted: ModelResults) -> None:
    with report_style():
        picture = effect_figures.timecourses(fitted, PALETTE)
    shown = picture.alt.partition(": ")[2].split("; ")
    assert shown[0] == "off:A on B"
    assert len(shown) == len(set(shown)) == 4


def test_direct_and_total_effects_are_shown_and_windows_follow_each_other(fitted: ModelResults) -> None:
    with report_style():
        both = interaction_figures.direct_and_total(fitted, PALETTE)
        windows = interaction_figures.windows(fitted, PALETTE)
    assert re.search(r"A on B: [\d.]+ in all, [\d.]+ directly", both.alt)
    assert windows.alt == "Effects in successive windows: when:A"


def test_axes_of_direct_and_total_effects_are_labelled_inside_the_figure(fitted: ModelResults) -> None:
    with report_style():
        figure = interaction_figures.direct_and_total(fitted, PALETTE).figure
        figure.draw_without_rendering()
        boxes = [axes.xaxis.label.get_window_extent() for axes in figure.axes]
    assert len(boxes) == 2
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_predictions_are_compared_with_the_truth_and_the_measurement(fitted: ModelResults) -> None:
    with report_style():
        true, measured = effect_figures.agreement(fitted, PALETTE), effect_figures.measured(fitted, PALETTE)
    assert "off:A" in true.alt
    assert "off:A on C: no effect" in measured.alt
    assert float(re.search(r"on B: r ([\d.]+), chance [-\d.]+, at most", measured.alt)[1]) > 0.9


def test_what_is_not_there_is_not_drawn(fitted: ModelResults) -> None:
    empty = {name: pd.DataFrame(columns=TABLES[name].names) for name in fitted.tables if name != "regions"}
    plain = {name: rows.drop(columns=["true_mean", "true_rms"], errors="ignore") for name, rows in empty.items()}
    nothing = fitted._replace(tables=plain)
    with report_style():
        assert effect_matrix.matrix(nothing, PALETTE) is None
        for draw in (dose_figure.doses, effect_figures.timecourses, effect_figures.agreement):
            assert draw(nothing, PALETTE) is None
        assert effect_figures.measured(nothing, PALETTE) is None
        assert interaction_figures.direct_and_total(nothing, PALETTE) is None
        assert interaction_figures.windows(nothing, PALETTE) is None
