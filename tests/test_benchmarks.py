"""The benchmarks: they start, go on where they stopped, and their scores mean what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import recovery
from benchmarks.cases import Observation, observed_rates, record, training_data
from benchmarks.document import insert
from benchmarks.ladder import PANELS, RUNGS, build
from benchmarks.scoring import score
from curbd import teachers
from curbd.ensemble import Fit


def test_quick_ladder_tries_every_estimator_on_every_rung(tmp_path: Path) -> None:
    recovery.main(["--quick", "--out", str(tmp_path)])
    rows = pd.read_csv(tmp_path / "recovery" / "ladder.csv")
    assert set(rows[["rung", "estimator"]].itertuples(index=False, name=None)) == {
        (rung, name) for rung in RUNGS for name in recovery.contestants()
    }
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
