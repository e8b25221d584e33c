"""Phase locking of noisy oscillations whose ratio is known, and of oscillations that have nothing to do with it."""

from __future__ import annotations

import numpy as np
import pytest

from curbd.dynamics.phase_locking import frequency_hz, phase_locking, signal_phase


def trials(frequency: np.ndarray | float, start: np.ndarray, count: int = 12) -> np.ndarray:
    time_s = np.arange(400) * 0.01
    return np.asarray(start)[:, None] + 2 * np.pi * np.broadcast_to(frequency, count)[:, None] * time_s


@pytest.mark.parametrize(("p", "q"), [(1, 1), (1, 2), (2, 1)])
def test_a_locked_ratio_is_found_and_no_other(p: int, q: int) -> None:
    rng = np.random.default_rng(0)
    start = 2 * np.pi * rng.random(12)
    driving = trials(2.0, start)
    network = p / q * driving + 0.3 * rng.standard_normal(driving.shape) + 2 * np.pi * rng.integers(q, size=(12, 1)) / q
    locked = {
        (lock.network_cycles, lock.input_cycles) for lock in phase_locking(network, driving) if lock.locked == "yes"
    }
    assert locked == {(p, q)}


def test_two_clocks_of_the_same_frequency_are_not_locked() -> None:
    rng = np.random.default_rng(1)
    clocks = [trials(2.0, 2 * np.pi * rng.random(12)) for _ in range(2)]
    assert {lock.locked for lock in phase_locking(*clocks)} == {"no"}


def test_an_oscillation_with_the_same_phase_in_all_trials_cannot_tell() -> None:
    phase = trials(2.0, np.zeros(12))
    assert {(lock.network_cycles, lock.locked) for lock in phase_locking(phase, phase)} >= {(1, "cannot_tell")}


def test_the_phase_of_a_sine_grows_with_its_frequency() -> None:
    phase = signal_phase(np.sin(trials(3.0, np.zeros(2), 2)))
    assert frequency_hz(phase, 0.01) == pytest.approx(3.0, rel=0.02)
    assert np.isnan(signal_phase(np.full((1, 5), np.nan))).all()
