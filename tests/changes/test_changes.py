"""Changes of weights: the changed pathway is named, and nothing else that differs between days is called a change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import curbd
from curbd import tables, teachers
from curbd.changes.change_table import change_tables
from curbd.changes.joint_regression import Joint, Penalties, joint_regression
from curbd.changes.permutation_test import step_down
from curbd.changes.size import ChangeSize, change_parts, change_size
from curbd.changes.trial_groups import Products, group_of_trial
from curbd.changes.verdict import judge
from curbd.contrasts.trials import Comparison
from curbd.recording.ingest import ingest_file
from curbd.settings.contrasts import Change


def changes_of(folder: Path, changes: dict[str, Change] | None = None, **teacher: object) -> pd.DataFrame:
    """Changes between two days of a teacher, by target and source."""
    path = folder / "teacher.h5"
    teachers.write_hdf5(teachers.two_days(**{"units": 8, "samples": 80, **teacher}).teacher, path)
    recording = ingest_file(path).recording
    networks = curbd.fit(recording, curbd.Model(family="full_rank", seeds=[0])).networks
    settings = changes or {"day": Change(column="day", permutations=39)}
    compared = change_tables(recording, networks, settings)
    assert tables.problems("changes", compared.changes) == []
    if changes:
        assert list(compared.left_out) == ["missing"]
    return compared.changes.set_index(["target", "source"])


def test_the_changed_pathway_is_named_and_its_change_is_described(tmp_path: Path) -> None:
    settings = {"day": Change(column="day", permutations=39), "missing": Change(column="dya")}
    table = changes_of(tmp_path, settings, seed=200)
    assert list(table.index[table["verdict"] == "changed"]) == [("B", "A")]
    row = table.loc[("B", "A")]
    # Permuted weights have nothing in common with the weights before, and as much of the current is old as is new.
    assert row["ci_low"] < 1 < row["ci_high"]
    assert abs(row["gain"]) < 0.4
    assert row["rescaled_share"] == pytest.approx(0.5, abs=0.2)
    assert row["r2_drawn_together"] > row["r2_shared"]
    assert (row["level_a"], row["level_b"]) == ("2", "1")


@pytest.mark.parametrize(
    "day",
    [{}, {"second_noise": 2.0}, {"second_inputs": 3.0}, {"second_trials": 12, "trials": 68}],
    ids=["nothing", "process noise", "inputs", "trials"],
)
def test_other_differences_between_days_are_no_change(tmp_path: Path, day: dict[str, object]) -> None:
    table = changes_of(tmp_path, changed=(), seed=201, **day)
    assert "changed" not in set(table["verdict"])
    assert (table["r2_separate"] - table["r2_shared"]).max() <= 0.01


def test_an_unrecorded_input_that_differs_is_not_called_a_change(tmp_path: Path) -> None:
    table = changes_of(tmp_path, changed=(), inputs="hidden", second_inputs=3.0, seed=202, trials=30, second_trials=30)
    assert (table["p_corrected"] <= 0.05).any()
    assert "changed" not in set(table["verdict"])
    assert table["reason"].str.contains("not recorded").any()


def test_inputs_are_not_called_changed_where_all_weights_between_units_change(tmp_path: Path) -> None:
    # On this seed, the input weights from bin to bin differ by 3 % of their current, which is significant.
    every = tuple((target, source) for target in "ABC" for source in "ABC")
    table = changes_of(tmp_path, changed=every, seed=101, units=12, samples=100)
    inputs = table.index.get_level_values("source").str.startswith("input:")
    assert (table.loc[inputs, "p_corrected"] <= 0.05).any()
    assert "changed" not in set(table.loc[inputs, "verdict"])
    assert (table.loc[~inputs, "verdict"] == "changed").sum() >= 7


def test_corrected_p_values_step_down() -> None:
    statistics = np.array([[9.0, 1.0, 5.0], [6.0, 2.0, 1.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.0]])
    # 9 is exceeded by no largest of three, 5 by no largest of the last two, 1 by 2 and 3.
    np.testing.assert_allclose(step_down(statistics), [1 / 4, 3 / 4, 1 / 4])
    # The p-value of the second cannot be smaller than that of the first.
    np.testing.assert_allclose(step_down(np.array([[3.0, 2.0], [4.0, 0.0]])), [1, 1])


def test_groups_hold_trials_of_one_level_and_stratum_in_order() -> None:
    is_a = np.arange(50) % 3 == 0
    comparison = Comparison("a", "b", np.arange(50), is_a, np.arange(50) // 25)
    group, groups = group_of_trial(comparison, max_groups=10)
    assert 4 <= len(groups.trials) <= 14
    for index in range(len(groups.trials)):
        members = group == index
        assert set(is_a[members]) == {groups.is_a[index]}
        assert set(comparison.stratum[members]) == {groups.stratum[index]}
    firsts = [int(np.flatnonzero(group == index)[0]) for index in range(len(groups.trials))]
    assert firsts == sorted(firsts)
    single, _ = group_of_trial(comparison)
    np.testing.assert_array_equal(single, np.arange(50))


def products_of(z: np.ndarray, y: np.ndarray) -> Products:
    """Second moments of regressors (pair, regressor) and currents (pair, unit)."""
    return Products(z.T @ z, y.T @ z, (y**2).sum(0), np.array(float(len(z))))


def test_the_joint_regression_is_two_separate_ones_without_penalties_and_one_with_a_large_penalty() -> None:
    rng = np.random.default_rng(0)
    z = rng.standard_normal((400, 5))
    z[:, -1] = 1
    W = rng.standard_normal((3, 5))
    y = z @ W.T + 0.1 * rng.standard_normal((400, 3))
    y[200:] = z[200:] @ -W.T + 0.1 * rng.standard_normal((200, 3))
    a, b = products_of(z[:200], y[:200]), products_of(z[200:], y[200:])
    tiny, large = np.full(5, 1e-9), np.full(5, 1e12)
    shared = np.linalg.lstsq(z, y, rcond=None)[0].T
    free = joint_regression(a, b, Penalties(tiny, tiny), shared, np.ones(3))
    np.testing.assert_allclose(free.level_a, np.linalg.lstsq(z[:200], y[:200], rcond=None)[0].T, atol=1e-6)
    np.testing.assert_allclose(free.level_b, np.linalg.lstsq(z[200:], y[200:], rcond=None)[0].T, atol=1e-6)
    np.testing.assert_allclose(free.noise, 0.01, rtol=0.2)
    tied = joint_regression(a, b, Penalties(tiny, large), shared, np.ones(3))
    np.testing.assert_allclose(tied.change, 0, atol=1e-6)


@pytest.mark.parametrize(
    ("factor", "share", "gain"), [(1.0, 0.0, 1.0), (0.5, 0.2, 0.5), (0.0, 1.0, 0.0), (-1.0, 2.0, -1.0)]
)
def test_size_and_gain_of_a_rescaled_pathway(factor: float, share: float, gain: float) -> None:
    rng = np.random.default_rng(1)
    before = rng.standard_normal((4, 6))
    after = factor * before
    exact = Joint((after + before) / 2, after - before, np.zeros((12, 12)), np.ones(4))
    ZZ = np.diag(np.r_[np.ones(5), 1.0])
    penalties, columns = Penalties(np.ones(6), np.ones(6)), np.arange(5)
    size = change_size(exact, penalties, ZZ, columns)
    assert (size.share, size.low, size.high) == pytest.approx((share, share, share), abs=1e-9)
    parts = change_parts(exact, penalties, ZZ, columns)
    assert parts.gain == pytest.approx(gain, abs=1e-9)
    if factor != 1:
        assert (parts.rescaled, parts.new) == pytest.approx((1, 0), abs=0.11)  # 10 % of the current is not leading


def test_a_rotated_change_and_one_in_new_directions_are_told_apart() -> None:
    before = np.zeros((6, 5))
    before[:2, :2] = np.eye(2)
    rotated, new = before.copy(), before.copy()
    rotated[:2, :2] = [[0, -1], [1, 0]]
    new[:2, :2], new[2:4, :2] = 0, np.eye(2)
    ZZ, columns = np.eye(6), np.arange(5)
    for after, share_of_rotation, share_of_new, angle in ((rotated, 0.5, 0.0, 0.0), (new, 0.0, 0.5, 90.0)):
        W = [np.concatenate([weights, np.zeros((6, 1))], axis=1) for weights in (before, after)]
        exact = Joint((W[0] + W[1]) / 2, W[1] - W[0], np.zeros((12, 12)), np.ones(6))
        parts = change_parts(exact, Penalties(np.ones(6), np.ones(6)), ZZ, columns)
        assert (parts.rescaled, parts.rotated, parts.new) == pytest.approx((0.5, share_of_rotation, share_of_new))
        assert parts.angle_deg == pytest.approx(angle, abs=1e-5)


@pytest.mark.parametrize(
    ("p_corrected", "size", "text"),
    [
        (0.01, ChangeSize(share=0.0996, low=0.0, high=0.15, of_total=0.05), "differ by 9.96% of the current"),
        (0.5, ChangeSize(share=0.1, low=0.0, high=0.1996, of_total=0.05), "at most 19.96% of the current"),
        (0.5, ChangeSize(share=0.1, low=0.0, high=0.204, of_total=0.05), "a change of up to 20.4% of the current"),
    ],
)
def test_a_reason_tells_a_size_from_its_limit(p_corrected: float, size: ChangeSize, text: str) -> None:
    _, reason = judge(evidence_nats=100.0, p_corrected=p_corrected, control_p=1.0, error_ratio=1.0, size=size)
    assert text in reason
