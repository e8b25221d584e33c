"""Held-out trials."""

import numpy as np

from curbd.recording.splits import split


def test_every_condition_with_two_trials_has_one_of_each() -> None:
    condition = np.array(["a"] * 40 + ["b"] * 2 + ["c"])
    chosen = split(condition, 0.2, 0)
    assert (chosen[:40] == "test").sum() == 8
    assert sorted(chosen[40:42]) == ["test", "train"]
    assert chosen[42] == "train"


def test_the_seed_decides() -> None:
    condition = np.full(100, "all")
    assert (split(condition, 0.3, 1) == split(condition, 0.3, 1)).all()
    assert (split(condition, 0.3, 1) != split(condition, 0.3, 2)).any()


def test_single_trials_of_many_conditions_still_leave_something_to_test() -> None:
    chosen = split(np.array([str(number) for number in range(10)]), 0.2, 0)
    assert (chosen == "test").sum() == 2


def test_large_fractions_leave_something_to_train() -> None:
    assert sorted(split(np.array(["a", "a"]), 0.99, 0)) == ["test", "train"]
