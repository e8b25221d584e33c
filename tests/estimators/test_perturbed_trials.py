"""Fits to perturbed trials: currents into the regions on which the perturbation does not act."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from curbd import teachers
from curbd.errors import UserError
from curbd.estimators import streamed
from curbd.estimators.fitting import fit
from curbd.inactivation.comparison import compare
from curbd.network.file import network_of
from curbd.recording.ingest import Session, ingest_file
from curbd.settings.models import Model
from curbd.settings.recording import RecordingSettings

LASER = teachers.Laser("A", 0.2, 0.9, drive=1.5, share=0.5)
MODEL = Model(family="full_rank", seeds=[0, 1], tau_s=0.1)


def session(folder: Path, fit_all_but: list[str]) -> tuple[Session, teachers.Teacher]:
    """Three regions, and a laser on half of A in half of the trials."""
    teacher = teachers.multi_region(units=8, trials=16, samples=120, substeps=1, gain=1.2, laser=LASER, seed=104)
    teachers.write_hdf5(teacher, folder / "laser.h5")
    entry = {"column": "laser", "value": "on", "like": "light", "fit_all_but": fit_all_but}
    return ingest_file(folder / "laser.h5", RecordingSettings.model_validate({"perturbed": [entry]})), teacher


def test_perturbed_trials_teach_the_currents_into_regions_that_the_laser_does_not_reach(tmp_path: Path) -> None:
    taught, teacher = session(tmp_path, ["A"])
    true, region = teacher.network.J, teacher.region
    with_them, without = (
        network_of(fit(taught.recording, MODEL, perturbed=trials).networks, 0).J for trials in (taught.perturbed, None)
    )
    np.testing.assert_array_equal(with_them[region == "A"], without[region == "A"])
    others = region != "A"
    errors = [float(((J - true)[others] ** 2).sum()) for J in (with_them, without)]
    # Over seeds 100 to 103, errors fell to between .6 and .8 of the errors without these trials.
    assert errors[0] < 0.9 * errors[1]
    assert taught.perturbed is not None
    assert compare(taught.recording, taught.perturbed, pd.DataFrame(), pd.DataFrame()).empty


def test_trials_that_are_only_compared_do_not_reach_the_fit(tmp_path: Path) -> None:
    compared, _ = session(tmp_path, [])
    networks = [fit(compared.recording, MODEL, perturbed=trials).networks for trials in (compared.perturbed, None)]
    np.testing.assert_array_equal(networks[0]["J"], networks[1]["J"])


def test_perturbed_trials_teach_large_recordings_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taught, _ = session(tmp_path, ["A"])
    monkeypatch.setattr(streamed, "LARGE_VARIABLE_BYTES", taught.recording["rates"].nbytes - 1)
    large, small = (
        function(taught.recording, MODEL, perturbed=taught.perturbed).networks
        for function in (streamed.fit_of_any_size, fit)
    )
    np.testing.assert_array_equal(large["J"], small["J"])


def test_an_unknown_region_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'perturbed\.fit_all_but: found "a", expected one of the regions'):
        session(tmp_path, ["a"])
