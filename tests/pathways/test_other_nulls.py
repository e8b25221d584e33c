"""The further nulls: each answers its own question, and the true answer is known here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from curbd import tables
from curbd.pathways.current_regression import CurrentRegression
from curbd.pathways.null_table import null_table
from curbd.pathways.other_nulls import (
    NULL_DRAWS,
    NullComparison,
    random_group,
    random_weights,
    region_labels,
    time_shift,
    trial_shuffle,
)
from tests.support.known_network import known_networks, small

LEAST_P_VALUE = 1 / (NULL_DRAWS + 1)
TRIALS, BINS, UNITS = 24, 60, 6
Null = Callable[[CurrentRegression], NullComparison]


def world(seed: int = 0, weight: float = 0.5, shared: float = 0.0) -> tuple[CurrentRegression, np.ndarray]:
    """Three regions of six units; the second drives the first; the third only shares its activity with the second."""
    rng = np.random.default_rng(seed)
    r = rng.standard_normal((TRIALS, BINS, 3 * UNITS))
    second = slice(UNITS, 2 * UNITS)
    r[..., 2 * UNITS :] += shared * r[..., second]
    W = np.zeros((3 * UNITS, 3 * UNITS + 1))
    W[:UNITS, second] = weight * np.random.default_rng(77).standard_normal((UNITS, UNITS))
    W[:, : 3 * UNITS] += np.eye(3 * UNITS)
    z = np.concatenate([r, np.ones((TRIALS, BINS, 1))], axis=2)
    y = z @ W.T + rng.standard_normal((TRIALS, BINS, 3 * UNITS))
    sources = list(np.arange(3 * UNITS).reshape(3, UNITS))
    penalty = np.full((3, 3 * UNITS + 1), 1.0)
    condition = np.repeat(["left", "right"], TRIALS // 2)
    region = np.repeat(np.arange(3), UNITS)
    regression = CurrentRegression(
        z=z,
        y=y,
        region_of_unit=region,
        sources=sources,
        penalty=penalty,
        train=np.arange(TRIALS) % 4 > 0,
        condition=condition,
    )
    return regression, W


@pytest.mark.parametrize("null", [time_shift, trial_shuffle, random_group])
def test_a_driving_source_differs_from_an_idle_source(null: Null) -> None:
    regression, _ = world()
    p_value = null(regression).p_value
    assert p_value[0, 1] == LEAST_P_VALUE
    # No pathway leads anywhere else between regions.
    assert min(p_value[0, 2], p_value[1, 0], p_value[1, 2], p_value[2, 1]) > 0.02


def test_random_weights_send_as_large_a_current_that_explains_nothing() -> None:
    regression, W = world()
    rms, correlation = random_weights(regression, W)
    assert np.nanmean(rms.null[:, 0, 1]) == pytest.approx(rms.value[0, 1], rel=0.1)
    assert correlation.p_value[0, 1] == LEAST_P_VALUE
    assert abs(np.nanmean(correlation.null[:, 0, 1])) < 0.1
    # The expected partial correlation: a current of sd 1.2 (six random weights of sd .5) in noise of sd 1.
    share = (W[:UNITS, UNITS : 2 * UNITS] ** 2).sum() / UNITS
    assert correlation.value[0, 1] == pytest.approx(np.sqrt(share / (share + 1)), abs=0.03)
    # A block without weights has no current.
    assert rms.value[0, 2] == 0
    assert np.isnan(correlation.value[0, 2])


def test_all_nulls_mean_the_same_gain() -> None:
    regression, _ = world(shared=0.5)
    gains = [null(regression).value for null in (time_shift, trial_shuffle, region_labels, random_group)]
    for gain in gains[1:]:
        # Refitting without a source, and taking it out of the solved regression, are one computation in two ways.
        np.testing.assert_allclose(gain, gains[0], atol=1e-10)
    fitted, held_out = ((regression.z[half], regression.y[half][:, :UNITS]) for half in regression.halves)
    errors = []
    for kept in (np.arange(3 * UNITS + 1), np.setdiff1d(np.arange(3 * UNITS + 1), regression.sources[1])):
        z = fitted[0][:, kept]
        weights = np.linalg.solve(z.T @ z + np.eye(len(kept)), z.T @ fitted[1])
        error = held_out[1] - held_out[0][:, kept] @ weights
        errors.append(((error**2).sum(0) / (held_out[1] ** 2).sum(0)).mean())
    assert gains[0][0, 1] == pytest.approx(errors[1] - errors[0], abs=1e-10)


def test_shuffling_the_whole_source_lets_a_bystander_of_a_weak_model_pass_but_labels_do_not() -> None:
    # The true source is not among the regressors of the model: its bystander takes its place.
    regression, _ = world(shared=2.0)
    kept = np.setdiff1d(np.arange(regression.z.shape[2]), regression.sources[1])
    blind = replace(
        regression,
        z=regression.z[..., kept],
        y=np.delete(regression.y, regression.sources[1], axis=2),
        region_of_unit=np.repeat(np.arange(2), UNITS),
        sources=list(np.arange(2 * UNITS).reshape(2, UNITS)),
        penalty=np.full((2, 2 * UNITS + 1), 1.0),
    )
    assert time_shift(blind).p_value[0, 1] == LEAST_P_VALUE
    assert trial_shuffle(blind).p_value[0, 1] == LEAST_P_VALUE


def test_a_pathway_like_any_other_group_is_no_finding_of_labels() -> None:
    regression, _ = world()
    mixed = np.random.default_rng(5).permutation(regression.region_of_unit)
    shuffled = replace(regression, region_of_unit=mixed, sources=[np.flatnonzero(mixed == group) for group in range(3)])
    within = np.eye(3, dtype=bool)
    assert region_labels(shuffled).p_value[within].min() > 0.02
    # Self-connections stay inside whatever the groups are; the driven block does not.
    assert region_labels(regression).p_value[0, 1] == LEAST_P_VALUE


def test_an_input_that_is_the_same_in_all_trials_of_a_condition_has_no_trial_shuffle() -> None:
    regression, _ = world()
    step = np.where(regression.condition == "left", 1.0, -1.0)[:, None, None] * np.ones((TRIALS, BINS, 1))
    with_step = replace(
        regression,
        z=np.concatenate([regression.z, step], axis=2),
        sources=[*regression.sources, np.array([regression.z.shape[2]])],
        penalty=np.pad(regression.penalty, ((0, 0), (0, 1)), constant_values=1.0),
    )
    assert np.isnan(trial_shuffle(with_step).p_value[:, 3]).all()
    # Groups of units say nothing about an input.
    assert np.isnan(random_group(with_step).p_value[:, 3]).all()


def test_one_region_has_no_other_groups_or_labels() -> None:
    regression, _ = world()
    units = np.arange(3 * UNITS)
    merged = replace(
        regression, region_of_unit=np.zeros(3 * UNITS, int), sources=[units], penalty=regression.penalty[:1]
    )
    for null in (region_labels, random_group):
        assert np.isnan(null(merged).p_value).all()
    assert time_shift(merged).p_value[0, 0] == LEAST_P_VALUE


def test_missing_bins_are_left_out(rng: np.random.Generator) -> None:
    regression, _ = world()
    z, y = regression.z.copy(), regression.y.copy()
    for trial, length in enumerate(rng.integers(20, BINS, TRIALS)):
        z[trial, length:] = np.nan
    ragged = replace(regression, z=z, y=y)
    for null in (time_shift, trial_shuffle):
        comparison = null(ragged)
        assert np.isfinite(comparison.p_value).all()
        assert comparison.p_value[0, 1] == LEAST_P_VALUE


def test_same_seed_same_null() -> None:
    regression, _ = world()
    np.testing.assert_array_equal(time_shift(regression, seed=3).null, time_shift(regression, seed=3).null)
    assert not np.array_equal(region_labels(regression, seed=3).null, region_labels(regression, seed=4).null)


def test_the_table_passes_its_schema_and_has_every_null(tmp_path: Path) -> None:
    recording, truth = small(tmp_path)
    table = null_table(recording, known_networks(recording, truth))
    assert tables.problems("nulls", table) == []
    assert (table["q_value"] >= table["p_value"]).all()
    shown = table.groupby(["null", "measure"]).size()
    assert shown["random_weights", "rms"] == 3 * 5
    assert shown["time_shift", "held_out_gain"] == 3 * 5
    assert shown["region_labels", "held_out_gain"] == shown["random_group", "held_out_gain"] == 9
