"""The null of a pathway and the rule of the verdict."""

from __future__ import annotations

import numpy as np
import pytest

from curbd.pathways.current_regression import CurrentRegression
from curbd.pathways.multiplicity import benjamini_hochberg
from curbd.pathways.shuffled_source import pathway_null
from curbd.pathways.verdict import Grounds, verdict

GOOD = Grounds(
    excess_error=0.0,
    q_value=0.01,
    predicted_r2=0.9,
    seed_r=0.95,
    residual_autocorrelation=0.0,
    samples_per_regressor=100.0,
    memory_nats=0.0,
    shared_sd=-4.0,
)


def test_measurement_noise_that_hides_the_source_is_an_objection() -> None:
    assert verdict(GOOD._replace(unseen_share=0.1))[0] == "resolved"
    answer, reason = verdict(GOOD._replace(unseen_share=0.4))
    assert answer == "unresolved"
    assert reason == "measurement noise hides 40% of the source's activity"


SOURCES = [np.arange(3), np.arange(3, 6)]


def linear_world(seed: int, weight: float) -> CurrentRegression:
    """Two regions of three units that share a common signal; the second drives the first by ``weight``."""
    rng = np.random.default_rng(seed)
    trials, bins = 20, 40
    common = rng.standard_normal((trials, bins, 1)).cumsum(1) / 4
    r = common + 0.5 * rng.standard_normal((trials, bins, 6))
    z = np.concatenate([r, np.ones((trials, bins, 1))], axis=2)
    y = np.zeros((trials, bins, 6))
    y[..., :3] = 1.5 * r[..., :3] + weight * r[..., 3:] + rng.standard_normal((trials, bins, 3))
    y[..., 3:] = r[..., 3:] + rng.standard_normal((trials, bins, 3))
    return CurrentRegression(
        z=z,
        y=y,
        region_of_unit=np.array([0, 0, 0, 1, 1, 1]),
        sources=SOURCES,
        penalty=np.full((2, 7), 1.0),
        train=np.arange(trials) < 16,
        condition=np.full(trials, "all"),
    )


def test_a_pathway_that_is_there_beats_every_shuffle() -> None:
    null = pathway_null(linear_world(0, weight=0.5))
    assert null.p_value[0, 1] == pytest.approx(1 / 200)
    # The current of weight .5 on rates of power about 1 is far above what a shuffled source gets.
    assert null.null_rms[0, 1] < 0.3


@pytest.mark.slow
def test_an_absent_pathway_from_a_correlated_source_is_called_as_rarely_as_p_says() -> None:
    p_values = []
    for seed in range(40):
        null = pathway_null(linear_world(seed, weight=0.0), seed=seed)
        p_values += [null.p_value[0, 1], null.p_value[1, 0]]
    # 80 p values: a share of .05 has a standard error of .024, a mean of .5 one of .032.
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05 + 3 * 0.024
    assert np.mean(p_values) == pytest.approx(0.5, abs=3 * 0.032 + 0.05)


def test_the_null_works_with_a_single_trial_in_each_half() -> None:
    short = linear_world(1, weight=0.8)
    long = short._replace(
        z=short.z.reshape(2, 400, -1),
        y=short.y.reshape(2, 400, -1),
        train=np.array([True, False]),
        condition=np.full(2, "all"),
    )
    null = pathway_null(long)
    assert null.p_value[0, 1] == pytest.approx(1 / 200)


def test_same_seed_same_null() -> None:
    regression = linear_world(0, weight=0.1)
    first, again = (pathway_null(regression, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first.p_value, again.p_value)
    np.testing.assert_array_equal(first.null_rms, again.null_rms)


def test_good_evidence_is_resolved_and_says_why() -> None:
    word, reason = verdict(GOOD)
    assert word == "resolved"
    assert "q = 0.01" in reason


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"q_value": 0.3}, "no more than a shuffled source"),
        ({"predicted_r2": 0.2}, "interval of the current is wide"),
        ({"seed_r": 0.1}, "refits to resampled trials disagree"),
        ({"residual_autocorrelation": 0.8}, "residuals are correlated in time"),
        ({"samples_per_regressor": 2.0}, "too few"),
        ({"memory_nats": 80.0}, "the past of the recorded units predicts"),
        ({"shared_sd": 12.0}, "fluctuate together"),
        ({"excess_error": 0.1}, "the held-out error is 10% above that of ridge regression"),
    ],
)
def test_one_objection_is_enough_and_is_reported(change: dict[str, float], expected: str) -> None:
    word, reason = verdict(GOOD._replace(**change))
    assert word == "unresolved"
    assert expected in reason


def test_unknown_evidence_speaks_neither_way() -> None:
    unknown = GOOD._replace(q_value=np.nan, predicted_r2=np.nan, seed_r=np.nan)
    assert verdict(unknown)[0] == "resolved"


def test_q_values_by_hand() -> None:
    q = benjamini_hochberg(np.array([0.01, 0.04, np.nan, 0.03]))
    np.testing.assert_allclose(q, [0.03, 0.04, np.nan, 0.04])
