"""The benchmarks: they start, go on where they stopped, and their scores mean what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import (
    coverage,
    faults,
    inactivation,
    model_choice,
    nulls,
    population_ladder,
    populations,
    recovery,
    scale,
    speed,
    verdicts,
)
from benchmarks.cases import Observation, observed_rates, record, training_data
from benchmarks.document import insert
from benchmarks.independent import __main__ as independent
from benchmarks.independent import pairs
from benchmarks.ladder import PANELS, RAW_COUNTS, RUNGS, build
from benchmarks.low_rank import on_blocks
from benchmarks.low_rank_report import blocks_text
from benchmarks.published_curbd import train
from benchmarks.recorded import recorded
from benchmarks.scoring import score, true_current
from curbd import tables, teachers
from curbd.network.fit import Fit, Posterior
from curbd.network.truth import true_current as current_of_the_truth
from curbd.network.view import view
from curbd.storage.netcdf import write_netcdf
from tests.support.known_network import known_networks

KINDS_OF_RECORDINGS = [
    "base",
    "1 trial of 1200 samples",
    "noise 0",
    "input hidden",
    "no input",
    "half of the units",
    "time constant unknown",
    "measured .1, smoothed",
    "calcium .1 s",
    RAW_COUNTS,
    "published, coupling .2",
]
"""Rungs on which estimators do something else; the other rungs have other sizes and strengths of the same."""
QUICKEST = ["lrfit.reduced_rank", "state_space, counts"]
"""Quick estimators, of which one or the other is tried on every rung."""


@pytest.mark.slow
def test_quick_ladder_tries_every_estimator_on_every_kind_of_recording(tmp_path: Path) -> None:
    contestants = recovery.contestants()
    table = tmp_path / "recovery" / "ladder.csv"
    recovery.climb(table, KINDS_OF_RECORDINGS, list(contestants), [0], quick=True)
    recovery.main(["--quick", "--out", str(tmp_path), "--estimators", *QUICKEST])
    rows = pd.read_csv(table)
    assert set(rows[["rung", "estimator"]].itertuples(index=False, name=None)) == {
        (rung, name)
        for name, contestant in contestants.items()
        for rung in contestant.rungs
        if rung in KINDS_OF_RECORDINGS or name in QUICKEST
    }
    assert set(rows["rung"]) == set(RUNGS)
    assert np.isfinite(rows[["within_r", "cross_r", "cross_r2", "cross_ratio", "seconds"]]).all(axis=None)
    page = (tmp_path / "recovery.md").read_text(encoding="utf-8")
    assert all(f"| {rung} |" in page for rung in RUNGS)
    assert (tmp_path / "recovery" / "ladder.png").stat().st_size > 10_000


def test_ladder_goes_on_where_it_stopped(tmp_path: Path) -> None:
    table = tmp_path / "ladder.csv"
    first = recovery.climb(table, ["5 trials"], ["one_step"], [0, 1], quick=True)
    more = recovery.climb(table, ["base", "5 trials"], ["one_step", "shooting"], [0, 1], quick=True)
    assert more["rung"].tolist() == ["base"] * 4 + ["5 trials"] * 4
    kept = more[(more["rung"] == "5 trials") & (more["estimator"] == "one_step")]
    # Times differ from run to run: the same ones say that nothing was computed again.
    np.testing.assert_allclose(kept["seconds"], first["seconds"], rtol=1e-4)
    again = recovery.climb(table, ["5 trials"], ["one_step"], [0], quick=True, again=True)
    assert len(again) == len(more)
    np.testing.assert_allclose(again["cross_r"], more["cross_r"], rtol=1e-4)


def test_true_network_has_perfect_currents_and_a_wrong_one_has_not() -> None:
    case = build(RUNGS["noise 0"], seed=0, quick=True)
    truth = score(case, Fit(case.teacher.network))
    assert truth["cross_r"] == pytest.approx(1)
    assert truth["cross_r2"] == pytest.approx(1)
    assert truth["cross_ratio"] == pytest.approx(1)
    assert truth["free_run_r2"] == pytest.approx(1)
    half = score(case, Fit(case.teacher.network._replace(J=case.teacher.network.J / 2)))
    assert half["cross_r"] == pytest.approx(1)
    assert half["cross_ratio"] == pytest.approx(0.5)
    # 1 - 1 / 4 for a current without a mean; half of the mean is missed as well.
    assert 0.5 < half["cross_r2"] <= 0.75
    assert half["free_run_r2"] < 0.99


def test_absent_pathways_count_for_themselves() -> None:
    case = build(RUNGS["2 of 6 pathways absent"], seed=0, quick=True)
    assert score(case, Fit(case.teacher.network))["absent_ratio"] == 0
    assert score(case, Fit(case.teacher.network))["cross_r"] == pytest.approx(1)
    dense = case.teacher.network._replace(J=case.teacher.network.J + 0.1)
    assert score(case, Fit(dense))["absent_ratio"] > 0.1


def test_half_of_the_units_is_judged_by_the_current_of_all() -> None:
    case = build(RUNGS["half of the units"], seed=0, quick=True)
    data = training_data(case)
    assert [int((data.region == region).sum()) for region in range(3)] == [3, 4, 5]
    recorded = np.ix_(case.recorded, case.recorded)
    network = case.teacher.network
    truth = network._replace(J=network.J[recorded], B=network.B[case.recorded], b=network.b[case.recorded])
    # The weights are right, yet the current of the units that nobody recorded is missing.
    assert 0.3 < score(case, Fit(truth))["cross_r"] < 0.95


def test_estimators_never_see_the_held_out_trials_nor_the_true_rates() -> None:
    case = build(RUNGS["measured .1"], seed=0, quick=True)
    data = training_data(case)
    assert len(data.r) == case.n_train < len(case.rates)
    error = data.r - case.teacher.rates[: case.n_train]
    # Noise of 0.1, cut off where the rates are near +-1.
    assert 0.05 < error.std() < 0.1


@pytest.mark.parametrize(
    ("how", "tolerance"),
    [
        (Observation(indicator_s=0.1), 1e-3),
        (Observation(smoothing_s=0.05), 1e-12),
        # 2 (count / (50 Hz x 10 ms)) - 1 averaged over 4000 samples of variance 4 x 0.35 / 0.25
        (Observation(peak_rate_hz=50.0, smoothing_s=0.5), 0.15),
    ],
)
def test_a_constant_rate_is_seen_as_it_is(how: Observation, tolerance: float) -> None:
    rates = np.full((4, 1000, 3), 0.4)
    seen = observed_rates(rates, 0.01, how, np.random.default_rng(0))
    np.testing.assert_allclose(seen.mean((0, 1)), 0.4, atol=tolerance)


def test_single_spike_counts_keep_their_mean() -> None:
    rates = np.full((4, 1000, 3), 0.4)
    counts = observed_rates(rates, 0.01, Observation(peak_rate_hz=50.0), np.random.default_rng(0))
    # No spike stands for -1, one for 3, two for 7: 4000 samples of standard deviation 2.4.
    assert set(np.unique(counts)) >= {-1.0, 3.0, 7.0}
    np.testing.assert_allclose(counts.mean((0, 1)), 0.4, atol=0.15)


def test_every_rung_is_in_the_figure() -> None:
    assert {rung for labels in PANELS.values() for rung in labels.values()} == set(RUNGS)


def test_same_seed_same_recording() -> None:
    first, second = (build(RUNGS["measured .05"], seed=3, quick=True) for _ in range(2))
    np.testing.assert_array_equal(first.rates, second.rates)
    other = build(RUNGS["measured .05"], seed=4, quick=True)
    assert not np.allclose(first.rates, other.rates)


def test_recording_keeps_the_training_trials() -> None:
    teacher = teachers.multi_region(units=6, trials=5, samples=20, seed=0)
    case = record(teacher, Observation(), 3, 0)
    np.testing.assert_array_equal(training_data(case).r, teacher.rates[:3])
    assert training_data(case).tau_s == teacher.network.tau_s
    assert training_data(case._replace(time_known=False)).tau_s is None


def test_tables_replace_only_what_stands_between_their_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    insert(page, "one", "first")
    page.write_text("Above.\n" + page.read_text(encoding="utf-8") + "Below.\n", encoding="utf-8")
    insert(page, "two", "other")
    insert(page, "one", "second")
    text = page.read_text(encoding="utf-8")
    assert "first" not in text
    assert [text.index(word) for word in ("Above.", "second", "Below.", "other")] == sorted(
        text.index(word) for word in ("Above.", "second", "Below.", "other")
    )


def test_quick_verdicts_judge_every_pathway(tmp_path: Path) -> None:
    arguments = ["--quick", "--out", str(tmp_path), "--teachers", "1", "--absent-teachers", "2"]
    conditions = ["3 of 6 pathways absent, 40 trials", "half of the units"]
    verdicts.main([*arguments, "--conditions", *conditions])
    rows = pd.read_csv(tmp_path / "recovery" / "verdicts.csv")
    assert rows.groupby("condition")["there"].agg(["size", "sum"]).to_numpy().tolist() == [[24, 10], [12, 8]]
    assert set(rows["verdict"]) <= {"resolved", "unresolved"}
    assert rows.loc[rows["there"], "true_r"].notna().all()
    page = (tmp_path / "recovery.md").read_text(encoding="utf-8")
    assert all(f"| {name} |" in page for name in conditions)


def test_true_currents_of_blocks_are_those_of_the_same_time() -> None:
    case = build(RUNGS["published, coupling .2"], seed=0, quick=True)
    recording, truth = recorded(case.teacher)
    assert recording.sizes["trial"] > 1
    rows = recording["region"].values == "A"
    seen = view(recording, known_networks(recording, truth))
    expected = current_of_the_truth(seen, truth, seen.sources[1], rows)
    np.testing.assert_allclose(verdicts.as_recorded(true_current(case, "A", "B"), recording), expected)


def test_coverage_counts_the_true_currents_inside_their_interval() -> None:
    case = build(RUNGS["base"], seed=0, quick=True)
    network = case.teacher.network
    n = len(network.J)
    gram, ridge = np.zeros((n + 3, n + 3)), np.ones((n, n + 3))
    rng = np.random.default_rng(0)
    wrong = network._replace(J=network.J + 0.1 * rng.standard_normal((n, n)))
    # Weights that are wrong by errors of known variance: intervals of that variance hold them 95 times in 100.
    for variance, low, high in ((0.01, 0.93, 0.97), (0.0001, 0.1, 0.2), (1.0, 1.0, 1.0)):
        fit = Fit(wrong, posterior=Posterior(np.full(n, variance), gram, ridge))
        within, between = coverage.covered(case, fit)
        assert low <= (within + 2 * between) / 3 <= high
    assert np.isnan(coverage.covered(case, Fit(network))).all()


def test_quick_coverage_writes_its_table(tmp_path: Path) -> None:
    coverage.main(["--quick", "--out", str(tmp_path), "--seeds", "0"])
    rows = pd.read_csv(tmp_path / "recovery" / "coverage.csv")
    assert rows[["within", "between"]].apply(lambda shares: shares.between(0.2, 1)).all(axis=None)
    assert "| input hidden | wrong | one_step |" in (tmp_path / "recovery.md").read_text(encoding="utf-8")


def test_speed_compares_both_on_the_same_recording(tmp_path: Path) -> None:
    speed.main(["--out", str(tmp_path), "--seeds", "10", "--units", "30"])
    row = pd.read_csv(tmp_path / "recovery" / "speed.csv").iloc[0]
    assert row["times_faster"] == pytest.approx(row["published_seconds"] / row["seconds"], rel=1e-3)
    assert row["samples"] == 1201
    assert row["free_run"] > 0.9


def test_published_algorithm_learns_to_follow_the_data() -> None:
    teacher = teachers.published_three_region(units=30, seed=10)
    activity = teacher.rates[0].T
    training = train(activity, passes=20, dt_s=0.01)
    # Far fewer units and passes than in use: rough, but above what following nothing would give.
    assert training.p_var[-1] > 0.9
    assert training.p_var[-1] > training.p_var[0]


def test_published_algorithm_is_the_same_with_all_weights_at_once() -> None:
    activity = teachers.published_three_region(units=10, seed=10).rates[0, :300].T
    chosen, at_once = (train(activity, passes=2, dt_s=0.01, chosen=picked) for picked in (True, False))
    # The same sums in another order, on a chaotic network.
    np.testing.assert_allclose(chosen.J, at_once.J, atol=1e-6)


def test_experiments_on_fits_go_on_where_they_stopped(tmp_path: Path) -> None:
    arguments = ["--quick", "--out", str(tmp_path), "--estimators", "one_step"]
    inactivation.main([*arguments, "--parts", "balanced", "groups"])
    page = (tmp_path / "inactivation.md").read_text(encoding="utf-8")
    assert "| 20 | one_step |" in page
    balanced = pd.read_csv(tmp_path / "inactivation" / "balanced.csv")
    # Ten units a region leave a regression on 20 trials of a second little to miss.
    assert (balanced["r2"] > 0.3).all()
    inactivation.main([*arguments, "--parts", "balanced"])
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "inactivation" / "balanced.csv"), balanced)


def test_effects_in_a_fit_are_close_to_the_true_ones_and_inside_their_intervals() -> None:
    rows = inactivation.PARTS["dense"].run("gain .8, coupling .8, 20 trials", "one_step", 0, quick=True)
    assert rows["experiment"].tolist() == ["silence", "cut"]
    assert (rows["r2_early"] > 0.5).all()
    assert rows["covered"].between(0.8, 1).all()


def test_effects_of_late_windows_are_predicted_from_the_state_of_their_onset() -> None:
    rows = inactivation.PARTS["late"].run("gain 1.5, coupling .5, 20 trials", "one_step", 0, quick=True)
    # Free runs of the truth and of the fit that start 1.5 s before agree by half that in chaotic networks.
    assert (rows["r2"] > 0.8).all()


def test_the_low_rank_benchmark_says_how_many_blocks_were_right() -> None:
    row = on_blocks(10, 100)
    assert row["right"] >= 7
    assert row["covered"] >= row["right"]
    text = blocks_text(pd.DataFrame([{"trials": 10, "seed": 100} | row]))
    assert f"{row['right']} of 9" in text


def test_the_expected_size_of_an_effect_is_not_shrunk_where_data_are_few() -> None:
    rows = inactivation.PARTS["dense"].run("gain 1.5, coupling .5, 2 trials", "one_step", 0, quick=True)
    # Two short trials leave so much open that the fit itself predicts about two thirds of what there is.
    assert (rows["fit_error"] > 0.3).all()
    assert rows["error"].mean() < rows["fit_error"].mean() / 2
    assert (rows["error"] < 0.25).all()


def test_quick_choices_of_population_networks_are_compared_with_the_truth(tmp_path: Path) -> None:
    model_choice.main(["--quick", "--out", str(tmp_path), "--seeds", "0"])
    table = pd.read_csv(tmp_path / "populations" / "model_choice.csv")
    assert table["row"].tolist() == list(model_choice.QUICK_TEACHERS)
    assert (table["latents_right"] <= table["latents_covered"]).all()
    assert table["ranks_covered"].between(0, table["pathways"]).all()
    assert "| 2 latents | 1 |" in (tmp_path / "populations.md").read_text(encoding="utf-8")


def test_quick_populations_score_every_kind_of_small_teacher(tmp_path: Path) -> None:
    populations.main(["--quick", "--out", str(tmp_path), "--seeds", "0", "--jobs", "2"])
    table = pd.read_csv(tmp_path / "populations" / "populations.csv")
    assert table["row"].tolist() == list(populations.QUICK_TEACHERS)
    assert np.isfinite(table[["within_r", "cross_r", "silencing_r"]]).all(axis=None)
    assert "| few_units | 1 |" in (tmp_path / "populations.md").read_text(encoding="utf-8")


def test_sets_of_other_groups_that_are_absent_are_skipped_with_a_reason(tmp_path: Path, caplog) -> None:
    caplog.set_level("INFO")
    independent.main(["--truth", str(tmp_path), "--out", str(tmp_path / "out"), "--sets", "graphs", "raphe"])
    assert f"graphs: skipped, because {tmp_path} has no file" in caplog.text
    assert f"raphe: skipped, because {tmp_path} has no file" in caplog.text
    assert not (tmp_path / "out").exists()


def test_plain_measures_of_pairs_find_a_link_and_its_direction(rng) -> None:
    skewed = rng.gamma(1.0, size=(20, 300, 3)) - 1
    r = skewed.copy()
    # Unit 1 follows unit 0 in the same bin, unit 2 one bin later.
    r[..., 1] += r[..., 0]
    r[:, 1:, 2] += r[:, :-1, 0]
    assert pairs.skewness_direction(r)[1, 0] > 0.1 > pairs.skewness_direction(r)[0, 1]
    for measure in (pairs.autoregression(r), pairs.lagged_regression(r), pairs.impulse_response(r, 3)):
        assert measure[2, 0] > 5 * abs(measure[0, 2])
    partial = np.abs(pairs.partial_correlation(r))
    assert partial[1, 0] > 5 * partial[2, 1]


def test_files_that_are_not_whole_are_found(tmp_path: Path) -> None:
    whole, half = tmp_path / "whole", tmp_path / "half"
    recording, _ = recorded(teachers.multi_region(units=3, trials=5, samples=20, seed=0))
    write_netcdf({"/": recording}, whole / "recording.nc")
    fits = tables.empty("fits")
    fits.to_csv(whole / "fits.csv", index=False)
    (whole / "plan.json").write_text('{"recordings": {}}', encoding="utf-8")
    (whole / "report.html").write_text("<html></html>\n", encoding="utf-8")
    (whole / ".recording.nc.x.part.nc").write_bytes(b"a temporary file, which no step reads")
    assert faults.unreadable(whole) == []
    half.mkdir()
    for path in whole.iterdir():
        (half / path.name).write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert faults.unreadable(half) == ["fits.csv", "plan.json", "recording.nc", "report.html"]


def test_disturbances_whose_runs_end_with_other_tables_do_not_count_as_continued() -> None:
    rows = pd.DataFrame(
        {
            "fault": ["SIGKILL"] * 2,
            "run": [0, 1],
            "disturbances": [4, 4],
            "half_written": [0, 1],
            "differing": [np.nan, "fits"],
            "tracebacks": [0, 0],
        }
    )
    assert faults.summary(rows).to_numpy().tolist() == [["SIGKILL", 8, "4 of 8", 1, 0]]


def test_scale_measures_every_step_of_a_tiny_recording(tmp_path: Path) -> None:
    scale.main(["--smoke", "--out", str(tmp_path)])
    rows = pd.read_csv(tmp_path / "scale" / "scale.csv").set_index("step")
    assert {"fit", "currents", "verdict", "verdict and further nulls", "inactivate"} <= set(rows.index)
    assert (rows[["seconds", "over_fit", "over_ridge", "over_floor", "peak_gb"]] > 0).all(axis=None)
    assert "| 18 | 3 | 360 | fit |" in (tmp_path / "scale.md").read_text(encoding="utf-8")


def test_p_values_of_nulls_are_those_of_plain_refits_within_their_monte_carlo_error(tmp_path: Path) -> None:
    nulls.main(["--out", str(tmp_path), "--seeds", "100", "--regions", "3", "--units", "4"])
    rows = pd.read_csv(tmp_path / "scale" / "nulls.csv")
    assert len(rows) == 3 * 5
    # Fifteen differences of standard deviation 1: none beyond 4.
    assert rows["difference_in_standard_errors"].abs().max() < 4
    assert np.corrcoef(np.log(rows["plain_p"]), np.log(rows["p"]))[0, 1] > 0.9


def test_population_ladder_counts_a_pathway_through_an_unrecorded_region(tmp_path: Path) -> None:
    population_ladder.main(["--quick", "--seeds", "101", "--out", str(tmp_path)])
    rows = pd.read_csv(tmp_path / "populations" / "ladder.csv").set_index("rung")
    assert list(rows.index) == ["base", f"what the recording hides: {population_ladder.RELAY}"]
    relay = rows.iloc[1]
    assert (relay["present"], relay["absent"]) == (1, 1)
    assert np.isnan(relay["cross_r"])
    assert rows.loc["base", "cross_r"] > 0
    page = (tmp_path / "populations.md").read_text(encoding="utf-8")
    assert "| 30 | 1 |" in page
    assert (tmp_path / "populations" / "ladder.png").stat().st_size > 10_000
