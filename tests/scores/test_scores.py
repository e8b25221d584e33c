"""Scores: a perfect network reaches 1, held-out trials are scored separately, and ceilings and baselines are right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curbd import RecordingSettings, ingest_file, tables
from curbd.network.adaptation import Adaptation
from curbd.network.residual import Residual, residual_autocorrelation
from curbd.network.truth import true_network
from curbd.network.view import view
from curbd.scores.baselines import condition_averages, own_past, repeatable_variance
from curbd.scores.forecasts import forecasts, forecasts_by_region
from curbd.scores.r_squared import UnitErrors, r_squared, variance_explained
from curbd.scores.score import ALL_REGIONS, score
from tests.support.known_network import known_networks, small


def test_the_true_network_of_a_deterministic_teacher_scores_one(tmp_path: Path) -> None:
    recording, truth = small(tmp_path, process_noise=0.0)
    fits, regions, units = score(recording, known_networks(recording, truth), [0.0], truth)
    assert tables.problems("fits", fits) == []
    assert tables.problems("region_scores", regions) == []
    assert set(fits["split"]) == {"train", "test"}
    perfect = ("one_step_r2", "rollout_r2", "free_run_r2", "free_run_variance_explained")
    for column in (*perfect, "one_step_ceiling_r2", "rollout_ceiling_r2", "ceiling_r2"):
        # atanh and tanh of rates close to 1 cost some digits.
        np.testing.assert_allclose(fits[column], 1, atol=1e-6)
    np.testing.assert_allclose(regions[["r2", "ceiling_r2"]], 1, atol=1e-6)
    np.testing.assert_allclose(units[["one_step_r2", "rollout_r2", "free_run_r2"]], 1, atol=1e-6)


def test_process_noise_lowers_the_ceiling_and_the_truth_reaches_it(tmp_path: Path) -> None:
    recording, truth = small(tmp_path, process_noise=0.5)
    fits = score(recording, known_networks(recording, truth), [0.0], truth).fits
    assert (fits["ceiling_r2"] < 0.95).all()
    np.testing.assert_allclose(fits["free_run_r2"], fits["ceiling_r2"])


def test_in_wider_bins_the_true_network_runs_as_it_ran(tmp_path: Path) -> None:
    """Without inputs, which are averaged over a bin, wider bins lose only the first state, which is an average."""
    small(tmp_path, process_noise=0.0, inputs="none")
    session = ingest_file(tmp_path / "teacher.h5", RecordingSettings(bin_width_s=0.02))
    coarse, truth = session.recording, session.truth
    assert truth is not None
    true = true_network(truth)
    assert (true.dt_s, true.substeps) == (pytest.approx(0.02), 2)
    fits = score(coarse, known_networks(coarse, truth), [0.0], truth).fits
    for column in ("one_step_ceiling_r2", "rollout_ceiling_r2", "ceiling_r2"):
        assert (fits[column] > 0.99).all(), fits[column]


def test_a_trial_whose_first_bins_are_missing_runs_from_the_first_complete_one(tmp_path: Path) -> None:
    recording, truth = small(tmp_path, process_noise=0.0)
    rates = recording["rates"].values.copy()
    rates[:, 0] = np.nan
    # One unit of the second trial lacks further bins, which are then missing for all units.
    rates[1, 1:7, 3] = np.nan
    fits = score(recording.assign(rates=(recording["rates"].dims, rates)), known_networks(recording, truth), [0.0]).fits
    for column in ("free_run_r2", "free_run_variance_explained"):
        np.testing.assert_allclose(fits[column], 1, atol=1e-6)
    assert np.isfinite(fits["free_run_persistence_r2"]).all()


def test_test_scores_come_from_the_test_trials(tmp_path: Path) -> None:
    recording, truth = small(tmp_path)
    networks = known_networks(recording, truth)
    before = score(recording, networks, [0.0], truth).fits
    changed = recording.copy(deep=True)
    test = changed["split"].values == "test"
    changed["rates"][test] = changed["rates"].values[test][:, ::-1]
    after = score(changed, networks, [0.0], truth).fits
    train = before["split"] == "train"
    assert before[train]["one_step_r2"].item() == after[train]["one_step_r2"].item()
    assert before[~train]["one_step_r2"].item() > after[~train]["one_step_r2"].item() + 0.1


def test_r_squared_of_a_small_example() -> None:
    data = np.array([[[0.0, 10.0], [1.0, 12.0], [2.0, np.nan]]])
    guess = np.array([[[0.0, 11.0], [1.0, 11.0], [1.0, 99.0]]])
    np.testing.assert_allclose(UnitErrors.of(data, guess).by_unit(), [0.5, 0.0])
    assert r_squared(data, guess) == pytest.approx(1 - 3 / 4)
    grand = np.array([0.0, 1.0, 2.0, 10.0, 12.0])
    assert variance_explained(data, guess) == pytest.approx(1 - 3 / ((grand - grand.mean()) ** 2).sum())


def test_a_network_with_pathways_beats_its_regions_alone_and_all_plain_baselines(tmp_path: Path) -> None:
    recording, truth = small(tmp_path, process_noise=0.3)
    fits, regions, units = score(recording, known_networks(recording, truth), [0.0], truth)
    test = fits[fits["split"] == "test"].iloc[0]
    for kind in ("one_step", "rollout"):
        baselines = [test[f"{kind}_{name}_r2"] for name in ("average", "persistence", "own_past")]
        assert test[f"{kind}_r2"] > max(baselines) + 0.01, kind
        np.testing.assert_allclose(test[f"{kind}_ceiling_r2"], test[f"{kind}_r2"])
    # The next state is close to the present one; as a current, persistence is nevertheless worse than the mean.
    assert test["one_step_persistence_r2"] < test["one_step_own_past_r2"]
    everything = regions[(regions["region"] == ALL_REGIONS) & (regions["split"] == "test")].set_index("score")
    assert everything.loc["free_run", "own_past_r2"] == test["free_run_own_past_r2"]
    assert everything.loc["free_run", "average_r2"] == test["baseline_r2"]
    assert (units["one_step_r2"] > units["one_step_own_past_r2"]).mean() > 0.8


def test_regions_and_units_are_scored_separately(tmp_path: Path) -> None:
    recording, truth = small(tmp_path, process_noise=0.0)
    networks = known_networks(recording, truth)
    # Region A receives no current from any region.
    networks["J"] = networks["J"] * (networks["target_region"] != "A")
    _, regions, units = score(recording, networks, [0.0], truth)
    one_step = regions[(regions["score"] == "one_step") & (regions["split"] == "test")].set_index("region")["r2"]
    np.testing.assert_allclose(one_step[["B", "C"]], 1, atol=1e-6)
    assert one_step["A"] < 0.2
    assert one_step["A"] < one_step[ALL_REGIONS] < 1
    broken = recording["region"].values == "A"
    assert units["one_step_r2"][broken].max() < 0.9
    np.testing.assert_allclose(units["one_step_r2"][~broken], 1, atol=1e-6)


def test_baselines_never_see_the_test_trials(tmp_path: Path) -> None:
    recording, truth = small(tmp_path)
    networks = known_networks(recording, truth)
    changed = recording.copy(deep=True)
    changed["rates"][recording["split"].values == "test"] = 0.5
    first, second = (own_past(view(data, networks)) for data in (recording, changed))
    np.testing.assert_array_equal(first.J, second.J)
    train = recording["split"].values == "train"
    condition = recording["condition"].values.astype(str)
    first, second = (condition_averages(data["rates"].values, train, condition) for data in (recording, changed))
    for name in set(condition):
        np.testing.assert_array_equal(first[name], second[name])


def test_own_past_has_no_weights_between_regions(tmp_path: Path) -> None:
    recording, truth = small(tmp_path, process_noise=0.3)
    region = recording["region"].values.astype(str)
    J = own_past(view(recording, known_networks(recording, truth))).J
    between = region[:, None] != region
    assert not J[between].any()
    # 8 trials of 80 samples determine the 64 weights inside a region well enough.
    assert np.corrcoef(J[~between], truth["J"].values[~between])[0, 1] > 0.8


def test_forecasts_region_by_region_are_those_of_the_network_without_weights_between_regions(tmp_path: Path) -> None:
    recording, truth = small(tmp_path, process_noise=0.3)
    recording["rates"][1, 20:30] = np.nan
    fit = view(recording, known_networks(recording, truth))
    alone = own_past(fit)._replace(
        adaptation=Adaptation(strength=np.linspace(0, 1, 24), tau_s=0.3, start=np.zeros(24)),
        unit_tau_s=np.linspace(0.05, 0.2, 24),
    )
    together = forecasts(alone, fit.r, fit.u, 10)
    for field, expected in zip(forecasts_by_region(alone, fit.r, fit.u, 10, fit.region_of_unit), together, strict=True):
        np.testing.assert_allclose(field, expected, atol=1e-12)


def test_the_average_trial_is_the_average_of_its_condition() -> None:
    wave = np.sin(np.arange(80) / 9)[None, :, None] * np.ones((10, 1, 24))
    sign = np.where(np.arange(10) % 2, 1.0, -1.0)[:, None, None]
    train, condition = np.arange(10) < 6, np.where(np.arange(10) % 2, "right", "left")
    average = condition_averages(sign * wave, train, condition)
    np.testing.assert_allclose(np.stack([average[name] for name in condition]), sign * wave)
    # Without the condition the two waves cancel.
    np.testing.assert_allclose(condition_averages(sign * wave, train, np.full(10, "all"))["all"], 0, atol=1e-15)


def test_repeatable_variance_is_the_variance_of_the_signal(rng: np.random.Generator) -> None:
    signal = np.sin(np.arange(200) / 9)[:, None] * np.array([1.0, 2.0, 0.0])
    data = signal + rng.standard_normal((40, 200, 3))
    repeatable, total = repeatable_variance(data, np.full(40, "all"))
    # sin has variance 1/2; the noise of an average of 20 trials on 200 samples leaves .05 / sqrt(200) of it.
    np.testing.assert_allclose(repeatable / total, [0.5 / 1.5, 2 / 3, 0], atol=0.03)


def test_residual_autocorrelation_differs_between_white_and_smooth_residuals(rng: np.random.Generator) -> None:
    white = rng.standard_normal((20, 200, 5))
    smooth = (white[:, 1:] + white[:, :-1]) / 2
    # Standard error of a lag-1 correlation of 4000 samples is .016.
    assert residual_autocorrelation(Residual(white, white)) == pytest.approx(0, abs=0.05)
    assert residual_autocorrelation(Residual(smooth, smooth)) == pytest.approx(0.5, abs=0.05)
