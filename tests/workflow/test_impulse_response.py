"""Responses after an error of a unit, in networks that were simulated."""

import numpy as np
from scipy.linalg import expm

from benchmarks.independent.impulse_response import impulse_responses

DT_S, TAU_S = 0.1, 0.3
J = np.array([[0.2, 0.0, 0.0], [0.8, 0.2, 0.0], [0.0, 0.8, 0.2]])


def simulated(rng, errors):
    """Rates (trial, time, unit) of tau dr/dt = -r + J r between the errors (trial, time, unit) of the bins."""
    step = expm((J - np.eye(3)) / TAU_S * DT_S)
    r = np.zeros_like(errors)
    for t in range(1, r.shape[1]):
        r[:, t] = r[:, t - 1] @ step.T + errors[:, t]
    return r


def test_a_response_takes_all_paths(rng) -> None:
    r = simulated(rng, rng.standard_normal((40, 300, 3)))
    response = impulse_responses(J, TAU_S, r, DT_S, 1.0)
    times = np.linspace(0, 1.0, 2001)
    mean = np.mean([expm((J - np.eye(3)) / TAU_S * t) for t in times], axis=0)
    sd = r.std((0, 1))
    np.testing.assert_allclose(response, mean * sd / sd[:, None], atol=0.03)
    assert response[2, 0] > 0.05 > abs(response[0, 2])


def test_an_effect_within_a_bin_is_seen_although_no_weight_has_it(rng) -> None:
    errors = rng.standard_normal((40, 300, 3))
    errors[..., 2] += errors[..., 0]
    response = impulse_responses(J * 0, TAU_S, errors, DT_S, DT_S)
    assert response[2, 0] > 0.3 > 0.05 > abs(response[1, 0])


def test_missing_bins_and_constant_units_are_no_mistake(rng) -> None:
    r = simulated(rng, rng.standard_normal((40, 300, 3)))
    whole = impulse_responses(J, TAU_S, r, DT_S, 1.0)
    r[2, 100:] = np.nan
    np.testing.assert_allclose(impulse_responses(J, [TAU_S] * 3, r, DT_S, 1.0), whole, atol=0.02)
    r = np.nan_to_num(r)
    r[..., 1] = 0.0
    response = impulse_responses(J, TAU_S, r, DT_S, 1.0)
    assert np.isfinite(response).all()
    assert not response[1].any()
    assert not response[:, 1].any()
