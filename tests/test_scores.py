"""Scores: a perfect network reaches 1, held-out trials are scored apart, ceilings and baselines mean what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from known_network import known_networks, small

from curbd import tables
from curbd.scores import (
    Residual,
    condition_average_r2,
    r_squared,
    residual_autocorrelation,
    score,
    unit_r_squared,
    variance_explained,
)


def test_the_true_network_of_a_deterministic_teacher_scores_one(tmp_path: Path) -> None:
    recording, truth = small(tmp_path, process_noise=0.0)
    fits, units = score(recording, known_networks(recording, truth), [0.0], truth)
    assert tables.problems("fits", fits) == []
    assert set(fits["split"]) == {"train", "test"}
    for column in ("one_step_r2", "rollout_r2", "free_run_r2", "free_run_variance_explained", "ceiling_r2"):
        # atanh and tanh of rates close to 1 cost some digits.
        np.testing.assert_allclose(fits[column], 1, atol=1e-6)
    np.testing.assert_allclose(units["one_step_r2"], 1, atol=1e-6)


def test_process_noise_lowers_the_ceiling_and_the_truth_reaches_it(tmp_path: Path) -> None:
    recording, truth = small(tmp_path, process_noise=0.5)
    fits, _ = score(recording, known_networks(recording, truth), [0.0], truth)
    assert (fits["ceiling_r2"] < 0.95).all()
    np.testing.assert_allclose(fits["free_run_r2"], fits["ceiling_r2"])


def test_test_scores_come_from_the_test_trials(tmp_path: Path) -> None:
    recording, truth = small(tmp_path)
    networks = known_networks(recording, truth)
    before, _ = score(recording, networks, [0.0], truth)
    changed = recording.copy(deep=True)
    test = changed["split"].values == "test"
    changed["rates"][test] = changed["rates"].values[test][:, ::-1]
    after, _ = score(changed, networks, [0.0], truth)
    train = before["split"] == "train"
    assert before[train]["one_step_r2"].item() == after[train]["one_step_r2"].item()
    assert before[~train]["one_step_r2"].item() > after[~train]["one_step_r2"].item() + 0.1


def test_r_squared_by_hand() -> None:
    data = np.array([[[0.0, 10.0], [1.0, 12.0], [2.0, np.nan]]])
    guess = np.array([[[0.0, 11.0], [1.0, 11.0], [1.0, 99.0]]])
    np.testing.assert_allclose(unit_r_squared(data, guess), [0.5, 0.0])
    assert r_squared(data, guess) == pytest.approx(1 - 3 / 4)
    grand = np.array([0.0, 1.0, 2.0, 10.0, 12.0])
    assert variance_explained(data, guess) == pytest.approx(1 - 3 / ((grand - grand.mean()) ** 2).sum())


def test_baseline_is_the_average_of_training_trials_of_the_condition(tmp_path: Path) -> None:
    recording, _ = small(tmp_path)
    wave = np.sin(np.arange(80) / 9)[None, :, None] * np.ones((10, 1, 24))
    sign = np.where(np.arange(10) % 2, 1.0, -1.0)[:, None, None]
    train, test = np.arange(10) < 6, np.arange(10) >= 6
    condition = np.where(np.arange(10) % 2, "right", "left")
    assert condition_average_r2(recording, sign * wave, train, test, condition) == pytest.approx(1)
    # Without the condition the two waves cancel.
    assert condition_average_r2(recording, sign * wave, train, test, np.full(10, "all")) == pytest.approx(0, abs=1e-12)


def test_residual_autocorrelation_tells_white_from_smooth(rng: np.random.Generator) -> None:
    white = rng.standard_normal((20, 200, 5))
    smooth = (white[:, 1:] + white[:, :-1]) / 2
    # Standard error of a lag-1 correlation of 4000 samples is .016.
    assert residual_autocorrelation(Residual(white, white)) == pytest.approx(0, abs=0.05)
    assert residual_autocorrelation(Residual(smooth, smooth)) == pytest.approx(0.5, abs=0.05)
