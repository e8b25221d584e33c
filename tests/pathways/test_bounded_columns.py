"""Shares, probabilities and correlations stay inside their limits for unusual recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from curbd import tables, teachers
from curbd.estimators.fitting import fit
from curbd.inactivation import inactivate
from curbd.pathways.judge import judge
from curbd.pathways.null_table import null_table
from curbd.recording.ingest import ingest_file
from curbd.scores.score import score
from curbd.settings.experiments import ExperimentSettings, Inactivation
from curbd.settings.models import Model


def unusual_recording(folder: Path, seed: int) -> xr.Dataset:
    """A small recording with units that are silent in all test trials, short trials and a constant input."""
    rng = np.random.default_rng(seed)
    path = folder / f"unusual{seed}.h5"
    teacher = teachers.multi_region(units=5, trials=12, samples=30, substeps=1, seed=seed)
    teachers.write_hdf5(teacher, path)
    recording = ingest_file(path).recording
    silent = rng.choice(15, size=int(rng.integers(1, 4)), replace=False)
    test = recording["split"].values == "test"
    recording["rates"].values[np.ix_(test, np.arange(30), silent)] = 0.0
    recording["rates"].values[:3, 20:] = np.nan
    recording["inputs"].values[..., 0] = 1.0
    return recording


def assert_inside(name: str, table: pd.DataFrame) -> None:
    assert tables.problems(name, table) == []


@pytest.mark.parametrize("estimator", ["one_step", "sparse"])
@pytest.mark.parametrize("seed", range(3))
def test_every_table_keeps_its_limits(tmp_path: Path, seed: int, estimator: str) -> None:
    recording = unusual_recording(tmp_path, seed)
    model = Model(family="full_rank", estimator=estimator, seeds=[0, 1], tau_s=0.1)
    networks, seconds = fit(recording, model)
    pathways, nulls = judge(recording, networks), null_table(recording, networks)
    experiments = {"silence": Inactivation()}
    effects = inactivate(
        recording, networks, experiments, settings=ExperimentSettings(groups=9, posterior_draws=3), pathways=pathways
    )
    scores = score(recording, networks, seconds)
    written = {"pathways": pathways, "nulls": nulls, "inactivations": effects}
    for name, table in (written | {"fits": scores.fits, "region_scores": scores.regions}).items():
        assert_inside(name, table)
    gains = nulls[nulls["measure"] == "held_out_gain"]
    # A gain is a share of the squared held-out current; with a silent unit among five it used to reach 1e10.
    assert gains[["statistic", "null_low", "null_high"]].abs().to_numpy().max() < 10
    assert (pathways.groupby("target")["share"].sum() <= 1 + 1e-9).all()


def test_gains_are_finite_where_a_unit_is_silent(tmp_path: Path) -> None:
    recording = unusual_recording(tmp_path, 0)
    networks, _ = fit(recording, Model(family="full_rank", seeds=[0], tau_s=0.1))
    test = recording["split"].values == "test"
    silent = (np.nan_to_num(recording["rates"].values[test]) == 0).all((0, 1))
    table = null_table(recording, networks)
    gains = table[table["null"] == "time_shift"].set_index(["target", "source"])["statistic"]
    assert silent.any()
    assert np.isfinite(gains).all()
    # Every region explains most of its own current, also where units are silent.
    assert all(gains[region, region] > 0 for region in "ABC")


def test_a_source_that_sends_nothing_has_no_p_value(tmp_path: Path) -> None:
    recording = unusual_recording(tmp_path, 1)
    networks, _ = fit(recording, Model(family="full_rank", seeds=[0, 1], tau_s=0.1))
    target, source = (networks[f"{side}_region"].values for side in ("target", "source"))
    networks["J"].values[:, np.ix_(target == "A", source == "B")[0], np.ix_(target == "A", source == "B")[1]] = 0.0
    row = judge(recording, networks).set_index(["target", "source"]).loc[("A", "B")]
    assert np.isnan(row["p_value"])
    assert row["verdict"] == "unresolved"
    assert row["reason"] == "the source sends no current to the target"
