"""Angles between a slow direction and a message whose angle is set by hand."""

from __future__ import annotations

import numpy as np
import pytest

from curbd.dynamics.slow_manifolds import manifold_angles


@pytest.mark.parametrize("angle_deg", [0.0, 30.0, 90.0])
def test_the_angle_of_a_message_is_that_of_its_construction(angle_deg: float) -> None:
    rng = np.random.default_rng(0)
    first, second, across = np.linalg.qr(rng.standard_normal((40, 3)))[0].T
    message = np.cos(np.deg2rad(angle_deg)) * second + np.sin(np.deg2rad(angle_deg)) * across
    coupling = np.block(
        [
            [0.98 * np.outer(first, first), np.zeros((40, 40))],
            [0.5 * np.outer(message, first), 0.95 * np.outer(second, second)],
        ]
    )
    (angle,) = manifold_angles(coupling, np.repeat(["A", "B"], 40))
    assert (angle.target, angle.source) == ("B", "A")
    assert angle.angle_deg == pytest.approx(angle_deg, abs=1e-4)
    assert angle.source_time_constants == pytest.approx(50)
    assert angle.target_time_constants == pytest.approx(20)
    assert 60 < angle.chance_low_deg < 90
