"""Teachers for experiments: excitatory and inhibitory units, a chain of regions, a laser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curbd import teachers
from curbd.network.equation import simulate
from curbd.recording.ingest import ingest_file
from curbd.settings.recording import RecordingSettings
from curbd.teachers import Teacher

Array = np.ndarray


@pytest.fixture(scope="module")
def balanced() -> Teacher:
    return teachers.excitatory_inhibitory(units=20, trials=5, samples=60, seed=3)


def sigmoid_run(W: Array, h0: Array, n_samples: int, silent: Array) -> Array:
    """(time, unit) rates of the sigmoid units as the publication writes them, some units without output."""
    h, rates = h0, []
    for _ in range(n_samples):
        f = np.where(silent, 0.0, 1 / (1 + np.exp(-4 * (h - 0.5))))
        rates.append(f)
        h = h + 0.1 * (W @ f + 0.5 - 0.5 * W.sum(1) - h)
    return np.array(rates)


@pytest.mark.parametrize("region", ["", "B"])
def test_sigmoid_units_are_the_tanh_network_of_the_file_and_silent_ones_have_r_of_minus_one(
    balanced: Teacher, region: str
) -> None:
    silent = balanced.region == region
    x0 = np.random.default_rng(0).standard_normal(60)
    expected = sigmoid_run(balanced.network.J, (x0 + 1) / 2, 40, silent)
    gain = np.where(silent, 0.0, 1.0)[None, None].repeat(40, 1)
    drive = -balanced.network.J[:, silent].sum(1)[None, None].repeat(40, 1)
    r = simulate(balanced.network, x0[None], np.zeros((1, 40, 0)), gain=gain, drive=drive)[0]
    r[:, silent] = -1
    np.testing.assert_allclose((1 + r) / 2, expected, atol=1e-12)


def test_inhibition_stays_in_its_region_and_balances(balanced: Teacher) -> None:
    J, region = balanced.network.J, balanced.region
    inhibitory = np.array(balanced.cell_type) == "inhibitory"
    assert inhibitory.sum() == 12
    assert (J[:, inhibitory] <= 0).all()
    assert (J[:, ~inhibitory] >= 0).all()
    assert not J[np.ix_(region == "A", inhibitory & (region != "A"))].any()
    heard = J[:, inhibitory].any(1)
    np.testing.assert_allclose(J[heard].sum(1), 0, atol=1e-12)
    assert np.abs(np.linalg.eigvals(J)).max() == pytest.approx(1.6)
    assert not np.diag(J).any()


def test_cell_types_and_places_reach_the_recording(balanced: Teacher, tmp_path: Path) -> None:
    teachers.write_hdf5(balanced, tmp_path / "t.h5")
    session = ingest_file(tmp_path / "t.h5", RecordingSettings())
    recording, truth = session.recording, session.truth
    assert tuple(recording["cell_type"].values) == balanced.cell_type
    places = np.stack([recording[axis].values for axis in "xyz"], axis=1)
    np.testing.assert_allclose(places, balanced.position)
    assert truth is not None


@pytest.mark.parametrize("relay", [True, False])
def test_in_a_chain_the_last_region_hears_the_first_through_the_second_alone(relay: bool) -> None:
    teacher = teachers.chain(relay=relay, trials=2, seed=1)
    sent = {(t, s): teachers.true_current(teacher, t, s).any() for t in "ABC" for s in "ABC" if t != s}
    assert {pair for pair, there in sent.items() if there} == ({("B", "A"), ("C", "B")} if relay else {("C", "B")})


@pytest.mark.parametrize("drive", [None, 1.5])
def test_a_laser_acts_in_its_trials_and_window_and_never_on_what_does_not_hear_it(drive: float | None) -> None:
    settings = {"units": 10, "trials": 8, "samples": 60, "absent": [("C", "A"), ("C", "B")], "seed": 1}
    light = teachers.Laser(region="A", start_s=0.2, stop_s=0.4, drive=drive, share=1.0 if drive is None else 0.5)
    dark, lit = teachers.multi_region(**settings), teachers.multi_region(**settings, laser=light)
    on = (lit.trials["laser"] == "on").to_numpy()
    assert list(on) == [False, False, True, True] * 2
    changed = np.abs(lit.rates - dark.rates).max(2) > 0
    assert not changed[~on].any()
    assert not changed[:, :20].any()
    assert changed[on, 22:].all()
    np.testing.assert_array_equal(lit.rates[..., lit.region == "C"], dark.rates[..., lit.region == "C"])
    inside = lit.rates[on, 20:40][..., lit.region == "A"]
    if drive is None:
        assert (inside < -0.999).all()
        assert np.abs(lit.rates).max() < 1
    else:
        # one time constant of .1 s and more after the start the driven half is up, the others were not touched by it
        assert (inside - dark.rates[on, 20:40][..., lit.region == "A"])[:, 10:, :5].mean() > 0.2
