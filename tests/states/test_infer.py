"""The first estimate of the rates behind noisy observations."""

from __future__ import annotations

import numpy as np

from curbd import teachers
from curbd.states.infer import smoothed


def test_rates_are_smoothed_more_where_there_is_more_noise() -> None:
    rates = teachers.multi_region(units=15, trials=20, samples=200, substeps=1, seed=300).rates
    noise = np.random.default_rng(1).standard_normal(rates.shape)
    observed = [np.clip(rates + sd * noise, -0.9999, 0.9999) for sd in (0.0, 0.05, 0.3)]
    change = [np.abs(smoothed(r) - r).mean() for r in observed]
    assert change == sorted(change)
    noisy = observed[-1]
    assert np.mean((smoothed(noisy) - rates) ** 2) < np.mean((noisy - rates) ** 2) / 2
