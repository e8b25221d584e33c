"""Teachers are the networks that they claim to be, and their files hold them exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from curbd import teachers
from curbd.errors import UserError
from curbd.network.equation import decay, rates_inside_step
from curbd.recording import open_recording
from curbd.recording.ingest import Session, ingest
from curbd.recording.scaling import scaled_rates
from curbd.settings.recording import RecordingSettings
from curbd.teachers import Teacher
from curbd.teachers.populations import populations
from tests.support.recovery import current

Array = np.ndarray


def ingested(path: Path, kind: str, **settings: Any) -> Session:
    resolved = RecordingSettings.model_validate(settings)
    with open_recording(path, kind, resolved) as file:
        return ingest(file, resolved, "teacher")


@pytest.fixture(scope="module")
def small() -> Teacher:
    return teachers.multi_region(units=[6, 5, 4], trials=9, samples=50, measurement_noise=0.01, seed=4)


@pytest.mark.parametrize("coupling", [0.02, 0.2])
def test_the_published_simulator_couples_five_units_one_to_one(coupling: float) -> None:
    teacher = teachers.published_three_region(coupling=coupling, units=30, seed=3)
    assert teacher.rates.shape == (1, 1201, 90)
    assert list(teacher.region[[0, 30, 60]]) == ["A", "B", "C"]
    assert teacher.network.dt_s == 0.01
    assert teacher.network.tau_s == 0.1
    divided = _divided_by(teacher, coupling)
    for target in "ABC":
        for source in "ABC":
            J = teacher.network.J[np.ix_(teacher.region == target, teacher.region == source)] / divided[source]
            if target == source:
                gain = 1.8 if target == "A" else 1.5
                assert J.std() * np.sqrt(30) == pytest.approx(gain, rel=0.1)  # 900 weights: 2.4 % is one deviation
            else:
                rows, columns = np.nonzero(J)
                assert len(rows) == 5
                assert np.array_equal(rows, columns)
                np.testing.assert_allclose(J[rows, columns], coupling, rtol=1e-9)


def _divided_by(teacher: Teacher, coupling: float) -> dict[str, float]:
    """What the rates of each region were divided by: the weights on them are larger by as much."""
    names = teacher.region
    return {name: teacher.network.J[np.ix_(names != name, names == name)].max() / coupling for name in "ABC"}


def test_the_published_simulator_obeys_its_equation_with_hidden_drives() -> None:
    teacher = teachers.published_three_region(units=30, seed=1)
    assert teacher.inputs.shape[2] == 0
    assert not teacher.drive[..., teacher.region == "A"].any()
    for name, sign in (("B", 1), ("C", -1)):
        driven = teacher.drive[0][:, teacher.region == name]
        assert (np.abs(driven).max(0) > 0).sum() == 15
        assert (sign * driven >= 0).all()
    divided = _divided_by(teacher, 0.2)
    x = np.arctanh(teacher.rates[0] * [divided[name] for name in teacher.region])
    true = 10 * np.diff(x, axis=0) + x[:-1] - teacher.drive[0, :-1]
    recurrent = teacher.rates[0, :-1] @ teacher.network.J.T
    # a rate that was clipped does not tell its state
    exact = (np.abs(teacher.rates[0]) < teachers.CLIP).all(1)
    both = exact[:-1] & exact[1:]
    assert both.mean() > 0.8
    np.testing.assert_allclose(recurrent[both], true[both], atol=1e-6)


def test_absent_pathways_carry_nothing_and_the_others_do() -> None:
    teacher = teachers.multi_region(units=10, trials=2, samples=30, absent=[("A", "C"), ("B", "A")], seed=0)
    for target in "ABC":
        for source in "ABC":
            sent = teachers.true_current(teacher, target, source)
            there = current(teacher.network, teacher.rates, teacher.region == target, teacher.region == source)
            np.testing.assert_allclose(sent, there, atol=1e-12)
            assert sent.any() == ((target, source) not in [("A", "C"), ("B", "A")])


def test_a_teacher_obeys_the_equation() -> None:
    teacher = teachers.multi_region(units=8, trials=3, samples=40, process_noise=0.0, seed=2)
    net, x = teacher.network, teachers.states(teacher)
    before, after = x[:, :-1].reshape(-1, 24), x[:, 1:].reshape(-1, 24)
    constant = teacher.inputs[:, :-1].reshape(-1, 2) @ net.B.T + net.b
    D = decay(net.dt_s, net.tau_s, net.substeps)
    z = rates_inside_step(net, before, constant)
    np.testing.assert_allclose(after, D * before + (1 - D) * (z @ net.J.T + constant), atol=1e-8)


def test_hidden_inputs_act_but_are_not_told() -> None:
    hidden, recorded = (
        teachers.multi_region(units=5, trials=2, samples=30, inputs=word) for word in ("hidden", "known")
    )
    np.testing.assert_array_equal(hidden.rates, recorded.rates)
    assert hidden.inputs.shape[2] == hidden.network.B.shape[1] == 0
    np.testing.assert_allclose(hidden.drive, recorded.inputs @ recorded.network.B.T)
    assert not recorded.drive.any()


@pytest.mark.parametrize("rank", [1, 3])
def test_a_low_rank_teacher_has_that_rank_within_and_one_between(rank: int) -> None:
    teacher = teachers.multi_region(units=12, trials=2, samples=10, rank=rank)
    for target in "ABC":
        for source in "ABC":
            block = teacher.network.J[np.ix_(teacher.region == target, teacher.region == source)]
            assert np.linalg.matrix_rank(block) == (rank if target == source else 1)


def test_the_same_seed_gives_the_same_teacher() -> None:
    for name in teachers.TEACHERS:
        np.testing.assert_array_equal(teachers.named(name, 3).rates[:2], teachers.named(name, 3).rates[:2])
    assert not np.array_equal(teachers.named("demo", 1).rates, teachers.named("demo", 2).rates)


def test_populations_have_no_nwb_file(tmp_path: Path) -> None:
    teacher = populations(regions=2, units=10, recorded=5, trials=4, bins=30)
    with pytest.raises(UserError, match="no place for true currents"):
        teachers.write_populations(teacher, tmp_path / "teacher.nwb")


def test_fields_are_a_continuous_recording_of_the_true_oscillators(tmp_path: Path) -> None:
    teachers.write("oscillators", 1, tmp_path / "fields.h5")
    teacher = teachers.coupled_oscillators(seed=1)
    with h5py.File(tmp_path / "fields.h5") as file:
        np.testing.assert_allclose(file["rates"], teacher.fields[0], rtol=1e-6)
        np.testing.assert_array_equal(file["truth_oscillators/K"], teacher.oscillators.K)
    noise = teacher.fields - teacher.true_fields
    np.testing.assert_allclose(noise.var((0, 1)), 0.1 * teacher.true_fields.var((0, 1)), rtol=0.05)
    with pytest.raises(UserError, match="no place for true oscillators"):
        teachers.write("oscillators", 1, tmp_path / "fields.nwb")


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="demo"):
        teachers.named("dmo", 0)
    with pytest.raises(ValueError, match="absent"):
        teachers.multi_region(absent=[("A", "Z")])
    with pytest.raises(ValueError, match="known, hidden or none"):
        teachers.multi_region(inputs="some")


def test_the_plain_file_holds_rates_and_truth_exactly(small: Teacher, tmp_path: Path) -> None:
    teachers.write_hdf5(small, tmp_path / "t.h5")
    recording, truth, units, _, _ = ingested(tmp_path / "t.h5", "hdf5")
    np.testing.assert_array_equal(recording["rates"].transpose("trial", "time", "unit").values, small.rates)
    np.testing.assert_array_equal(scaled_rates(recording).values, small.rates)
    np.testing.assert_array_equal(recording["inputs"].transpose("trial", "time", "input").values, small.inputs)
    assert list(recording["region"].values) == list(small.region)
    assert list(recording["side"].values) == list(small.trials["side"])
    assert list(recording["input"].values) == ["sine", "step"]
    assert recording.attrs["dt_s"] == pytest.approx(0.01)
    np.testing.assert_array_equal(truth["J"].values, small.network.J)
    np.testing.assert_array_equal(truth["B"].values, small.network.B)
    assert truth.attrs["tau_s"] == 0.1
    assert units["kept"].all()


def test_a_hidden_drive_is_part_of_the_truth(tmp_path: Path) -> None:
    teacher = teachers.multi_region(units=4, trials=5, samples=20, inputs="hidden")
    teachers.write_hdf5(teacher, tmp_path / "t.h5")
    session = ingested(tmp_path / "t.h5", "hdf5")
    recording, truth = session.recording, session.truth
    assert recording.sizes["input"] == 0
    np.testing.assert_array_equal(truth["drive"].transpose("trial", "time", "unit").values, teacher.drive)


def test_an_nwb_file_of_rates_holds_the_same_recording(small: Teacher, tmp_path: Path) -> None:
    teachers.write_nwb(small, tmp_path / "t.nwb")
    recording, truth, _, regions, _ = ingested(tmp_path / "t.nwb", "nwb", windows={"table": "trials"})
    assert truth is None
    assert recording.sizes["trial"] == 9
    assert dict(zip(regions["region"], regions["n_units"], strict=True)) == {"A": 6, "B": 5, "C": 4}
    # planes may stand in another order than the regions of the teacher: compare unit by unit
    order = [list(recording["unit_id"].values).index(label) for label in _labels(recording, small)]
    rates = recording["rates"].transpose("trial", "time", "unit").values[:, :, order]
    samples = min(rates.shape[1], 50)
    assert samples >= 49
    np.testing.assert_allclose(rates[:, :samples], small.rates[:, :samples], atol=1e-6)
    assert list(recording["side"].values) == list(small.trials["side"])


def _labels(recording: xr.Dataset, teacher: Teacher) -> list[str]:
    """Unit ids of the recording, region by region in the order of the teacher."""
    ids, region = recording["unit_id"].values, recording["region"].values
    return [unit for name in dict.fromkeys(teacher.region) for unit in ids[region == name]]


def test_an_nwb_file_of_spikes_follows_the_rates(small: Teacher, tmp_path: Path) -> None:
    teachers.write_nwb(small, tmp_path / "s.nwb", peak_rate_hz=200, seed=1)
    recording, _, units, regions, _ = ingested(
        tmp_path / "s.nwb", "nwb", windows={"table": "trials"}, bin_width_s=0.01, smoothing_s=0.0
    )
    assert recording.sizes["trial"] == 9
    assert recording.attrs["activity"] == "rates"
    assert dict(zip(regions["region"], regions["n_units"], strict=True)) == {"A": 6, "B": 5, "C": 4}
    order = [list(recording["unit_id"].values).index(label) for label in _labels(recording, small)]
    hz = recording["rates"].transpose("trial", "time", "unit").values[:, :, order]
    expected = 100 * (1 + small.rates[:, : hz.shape[1]])
    # Poisson counts: a mean over .5 s is known to sqrt(100 / .5) = 14 Hz, that of 135 such to 1.2 Hz
    difference = hz.mean(1) - expected.mean(1)
    assert np.abs(difference.mean()) < 4
    assert difference.std() == pytest.approx(14, rel=0.2)
    assert units["kept"].all()
