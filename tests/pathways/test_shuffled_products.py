"""Products and gains of shuffled sources are those of a plain computation from the shuffled activity itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from curbd.pathways.changed_source import ChangedSource, Products, part_of_others, rest_of
from curbd.pathways.current_regression import CurrentRegression
from curbd.pathways.monte_carlo import ENOUGH_EXCEEDANCES, LEAST_DRAWS, MonteCarlo, decide
from curbd.pathways.shuffled_products import halves_of_products

TRIALS, BINS, UNITS, RIDGE = 40, 30, 3, 5.0
EVERY_UNIT = np.ones(3 * UNITS, dtype=bool)
Arrangements = list[np.ndarray]


class Recorder(np.random.Generator):
    """A random generator that remembers how trials were arranged."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))
        self.arranged: Arrangements = []

    def permuted(self, trials: np.ndarray, axis: int) -> np.ndarray:
        self.arranged.append(super().permuted(trials, axis=axis))
        return self.arranged[-1]


def world(ragged: bool) -> CurrentRegression:
    """Three regions of three units in two conditions; the activity of the second reaches the third."""
    rng = np.random.default_rng(1)
    r = rng.standard_normal((TRIALS, BINS, 3 * UNITS))
    r[..., 2 * UNITS :] += 0.5 * r[..., UNITS : 2 * UNITS]
    z = np.concatenate([r, np.ones((TRIALS, BINS, 1))], axis=2)
    W = 0.3 * rng.standard_normal((3 * UNITS, 3 * UNITS + 1))
    y = z @ W.T + rng.standard_normal((TRIALS, BINS, 3 * UNITS))
    if ragged:
        for trial, length in enumerate(rng.integers(BINS // 2, BINS, TRIALS)):
            z[trial, length:] = np.nan
    return CurrentRegression(
        z=z,
        y=y,
        region_of_unit=np.repeat(np.arange(3), UNITS),
        sources=list(np.arange(3 * UNITS).reshape(3, UNITS)),
        penalty=np.full((3, 3 * UNITS + 1), RIDGE),
        train=np.arange(TRIALS) % 4 > 0,
        condition=np.repeat(["left", "right"], TRIALS // 2),
    )


@pytest.mark.parametrize("ragged", [False, True])
def test_rotations_of_a_random_order_give_the_products_of_exchanged_trials(ragged: bool) -> None:
    regression = world(ragged)
    rest = np.nan_to_num(regression.z[..., regression.sources[1]])
    for half in halves_of_products(regression, least_trials=2, shift_others=False):
        recorder = Recorder()
        drawn = half.shuffles(torch.as_tensor(rest).float(), recorder)(3, EVERY_UNIT)
        z, y = (np.nan_to_num(values)[half.half] for values in (regression.z, regression.y))
        for rotation in range(3):
            shuffled = rest.copy()
            for (size, trials), order in zip(half.blocks.items(), recorder.arranged, strict=True):
                shuffled[trials] = rest[order[(np.arange(size) + rotation) % size]]
            activity = shuffled[half.half]
            np.testing.assert_allclose(drawn.ZR[rotation], z.T @ activity, atol=1e-3)
            np.testing.assert_allclose(drawn.YR[rotation], y.T @ activity, atol=1e-3)
            np.testing.assert_allclose(drawn.RR[rotation], activity.T @ activity, atol=1e-3)


def test_shifts_in_time_move_every_trial_and_keep_its_power() -> None:
    regression = world(ragged=True)
    rest = np.nan_to_num(regression.z[..., regression.sources[1]])
    fitted, _ = halves_of_products(regression, least_trials=None, shift_others=True)
    drawn = fitted.shuffles(torch.as_tensor(rest).float(), np.random.default_rng(0))(5, EVERY_UNIT)
    activity = rest[fitted.half]
    np.testing.assert_allclose(drawn.RR[0], activity.T @ activity, atol=1e-3)
    # Of white activity nothing is left of the product with itself but chance; sums over a trial stay what they are.
    own = drawn.ZR[:, regression.sources[1]].numpy()
    assert np.abs(own).max() < 6 * np.sqrt(len(activity))
    np.testing.assert_allclose(drawn.ZR[:, -1], np.tile(activity.sum(0), (5, 1)), atol=1e-3)


@pytest.mark.parametrize("split", [False, True])
def test_the_gain_of_a_changed_source_is_that_of_two_plain_regressions(split: bool) -> None:
    regression = world(ragged=True)
    columns, target = regression.sources[1], regression.solved[0]
    A = part_of_others(regression, columns, 1e-6)
    rest = rest_of(regression, columns, A if split else torch.zeros_like(A))

    def with_rest(half: np.ndarray) -> Products:
        ZR, YR = (torch.as_tensor(values[half]).float().mT @ rest[half] for values in (regression.z, regression.y))
        return Products(ZR[None], YR[None], (rest[half].mT @ rest[half])[None])

    fitted, held_out = (with_rest(half) for half in regression.halves)
    gain, W = ChangedSource(regression, target, columns, A if split else None).gain(fitted, held_out)
    np.testing.assert_allclose(gain, target.gains(columns[None]), atol=1e-6)
    (z, y), (z_held_out, y_held_out) = (
        (regression.z[half], regression.y[half][:, :UNITS]) for half in regression.halves
    )

    def weights(kept: np.ndarray) -> np.ndarray:
        regressors = z[:, kept]
        return np.linalg.solve(regressors.T @ regressors + RIDGE * np.eye(len(kept)), regressors.T @ y)

    every, others = np.arange(z.shape[1]), np.setdiff1d(np.arange(z.shape[1]), columns)
    errors = [((y_held_out - z_held_out[:, kept] @ weights(kept)) ** 2).sum(0) for kept in (others, every)]
    np.testing.assert_allclose(gain[0], (errors[0] - errors[1]) / (y_held_out**2).sum(0), atol=1e-6)
    np.testing.assert_allclose(W[0].mT, weights(every)[columns], atol=1e-5)


@pytest.mark.parametrize("power", [1, 2])
def test_p_values_of_early_stops_are_uniform_and_clear_answers_are_cheap(power: int) -> None:
    rng = np.random.default_rng(0)

    def draw(n_draws: int, undecided: list[int]) -> np.ndarray:
        # The square of a normal variable is as skewed as the gain of a single regressor can be.
        return rng.standard_normal((n_draws, len(undecided))) ** power

    tests = [MonteCarlo(float(value), most_draws=199) for value in rng.standard_normal(1000) ** power]
    for test in tests:
        decide([test], draw)
    p = np.array([test.p_value() for test in tests])
    for level in (0.005, 0.05, 0.2, 0.5):
        # Four standard errors of a share of 1000.
        assert (p <= level).mean() == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 1000))
    assert np.mean([len(test.null) for test in tests]) < 80
    far = MonteCarlo(30.0, most_draws=199)
    decide([far], draw)
    assert len(far.null) == LEAST_DRAWS
    assert far.p_value() == 1 / 200


def test_a_statistic_inside_its_null_stops_after_enough_draws_as_large() -> None:
    test = MonteCarlo(0.0, most_draws=199)
    test.add(np.tile([1.0, -1.0], 10))
    assert test.decided
    # The tenth draw that is as large is the nineteenth of all.
    assert test.p_value() == ENOUGH_EXCEEDANCES / 19
    undefined = MonteCarlo(float("nan"), most_draws=199)
    assert undefined.decided
    assert np.isnan(undefined.p_value())


def test_a_draw_that_is_the_statistic_but_for_rounding_errors_reaches_it() -> None:
    test = MonteCarlo(0.3, most_draws=19)
    test.add(np.append(np.zeros(17), [0.3 * (1 - 1e-8), 0.3 * (1 - 1e-4)]))
    assert test.p_value() == (1 + 1) / 20
