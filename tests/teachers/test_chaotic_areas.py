"""Areas of chaotic units: size of the true currents, dimensions, and repeatability."""

from __future__ import annotations

import numpy as np

from curbd.teachers.chaotic_areas import chaotic_areas


def test_currents_between_areas_have_the_size_of_their_weights() -> None:
    teacher = chaotic_areas(trials=10, bins=60, seed=3)
    counts = np.bincount(teacher.region)
    assert ((counts >= 20) & (counts <= 59)).all()
    power = np.array([[sent[..., teacher.region == t].var() for sent in teacher.current] for t in range(5)])
    within = np.eye(5, dtype=bool)
    # A tenth of the weights between areas exists, with the variance of the weights within areas.
    assert abs(power[~within].mean() / power[within].mean() - 0.1) < 0.015
    assert teacher.present.all()


def test_activity_has_more_dimensions_than_a_few_latents() -> None:
    teacher = chaotic_areas(regions=1, trials=30, bins=60, seed=4)
    current = teacher.current[0].reshape(-1, len(teacher.region))
    values = np.linalg.eigvalsh(np.cov(current.T))
    assert values.sum() ** 2 / (values**2).sum() > 10


def test_the_seed_repeats_a_teacher() -> None:
    first, again, other = (chaotic_areas(regions=2, trials=4, bins=20, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.activity, again.activity)
    np.testing.assert_array_equal(first.current, again.current)
    assert not np.array_equal(first.region, other.region)
