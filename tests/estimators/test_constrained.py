"""Fits under constraints hold to them exactly, and their controls tell right from wrong cell types."""

import numpy as np
import pytest
import xarray as xr

from curbd import teachers
from curbd.estimators.fitting import fit
from curbd.recording.ingest import ingest_file
from curbd.scores.constraints import constraint_table
from curbd.settings.models import Model
from curbd.settings.recording import RecordingSettings
from curbd.tables import problems

SIGNS = {"signs": True, "local_inhibition": True, "distance": 1.0}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("teacher") / "ei.h5"
    teachers.write_hdf5(teachers.excitatory_inhibitory(units=15, trials=6, samples=300, seed=3), path)
    return path


@pytest.fixture(scope="module")
def recording(path):
    return ingest_file(path).recording


def fitted(recording, estimator="sparse", **constraints):
    keys = {"family": "full_rank", "estimator": estimator, "seeds": [0], "tau_s": 0.1}
    networks = fit(recording, Model.model_validate(keys | {"constraints": constraints})).networks
    table = constraint_table(networks)
    assert problems("constraints", table) == []
    return networks, table


@pytest.mark.parametrize("estimator", ["one_step", "sparse"])
def test_signs_and_local_inhibition_hold_exactly(recording, estimator):
    networks, table = fitted(recording, estimator, **SIGNS, shuffles=0)
    J, sign = networks["J"].values[0], networks["sign"].values
    assert (J * sign >= 0).all()
    assert (sign != 0).all()
    region = networks["target_region"].values
    assert (J[:, sign < 0][region[:, None] != region[None, sign < 0]] == 0).all()
    whole = table.iloc[0]
    assert whole["n_sign_violations"] == 0
    assert whole["verdict"] == "untested"
    assert 0 < whole["wrong_sign_share"] < 0.5


def test_true_cell_types_are_supported_and_wrong_ones_contradicted(path, recording, tmp_path):
    _, table = fitted(recording, **SIGNS)
    whole = table[table["target"] == "all regions"].iloc[0]
    assert whole["verdict"] == "supported"
    assert whole["held_out_r2"] > whole["shuffled_r2"]
    assert whole["distance_verdict"] == "supported"
    assert whole["held_out_r2"] > whole["shuffled_positions_r2"]
    types = np.random.default_rng(0).permutation(recording["cell_type"].values)
    rows = [f"{unit}\t{kind}" for unit, kind in zip(recording["unit_id"].values, types, strict=True)]
    wrong = tmp_path / "wrong.tsv"
    wrong.write_text("\n".join(["unit_id\tcell_type", *rows]) + "\n")
    settings = RecordingSettings.model_validate({"cell_types": {"table": str(wrong)}})
    mislabelled = ingest_file(path, settings).recording
    whole = fitted(mislabelled, **SIGNS)[1].iloc[0]
    assert whole["verdict"] == "contradicted"
    assert whole["held_out_gain"] < 0
    assert whole["held_out_error_growth"] == pytest.approx(
        (1 - whole["held_out_r2"]) / (1 - whole["unconstrained_r2"]) - 1
    )


def test_wrong_positions_are_told(recording):
    order = np.random.default_rng(2).permutation(recording.sizes["unit"])
    moved = recording.assign_coords({axis: ("unit", recording[axis].values[order]) for axis in "xyz"})
    whole = fitted(moved, distance=1.0)[1].iloc[0]
    assert whole["distance_verdict"] == "no_evidence"
    assert whole["verdict"] == "untested"


@pytest.mark.parametrize("estimator", ["one_step", "sparse"])
def test_densities_are_those_of_the_table(recording, estimator, tmp_path):
    table = tmp_path / "density.tsv"
    table.write_text("target\tsource\tdensity\nA\tA\t.3\nA\tB\t.1\nB\tC\t.35\n")
    networks, rows = fitted(recording, estimator, density=str(table), signs=True, shuffles=0)
    of_block = rows.set_index(["target", "source"])
    for target, source, share in (("A", "A", 0.3), ("A", "B", 0.1), ("B", "C", 0.35)):
        assert of_block.loc[(target, source), "realised_density"] == pytest.approx(share, abs=0.01)
    assert of_block.loc[("C", "A"), "prescribed_share"] == 0
    assert (networks["J"].values[0] * networks["sign"].values >= 0).all()


def test_absent_pairs_have_no_weight_and_no_uncertainty(recording, tmp_path):
    pairs = tmp_path / "pairs.tsv"
    units = recording["unit_id"].values
    pairs.write_text("target\tsource\n" + "".join(f"{a}\t{b}\n" for a in units for b in units if a < b))
    networks, _ = fitted(recording, pairs=str(pairs))
    J = networks["J"].values[0]
    listed = units[:, None] < units[None]
    assert (J[~listed & ~np.eye(len(units), dtype=bool)] == 0).all()
    assert (J[listed] != 0).any()
    ridge, gram = networks["ridge"].values[0], networks["gram"].values[0]
    absent = np.flatnonzero(J[5] == 0)
    variance = np.linalg.inv(gram + np.diag(ridge[5])).diagonal()
    present = np.flatnonzero(J[5] != 0)
    assert variance[absent].max() < 1e-4 * variance[present].min()


def test_a_loss_that_decides_can_be_seen_in_the_reason():
    weights = (("seed", "target", "source"), np.ones((1, 2, 2)))
    fits = xr.Dataset(
        {
            "J": weights,
            "unconstrained_J": weights,
            "control": (("trial_fit",), ["constrained", "unconstrained"]),
            "control_r2": (("seed", "trial_fit"), [[0.01, 0.01036]]),
        },
        coords={"seed": [0], "target_region": ("target", ["A", "B"]), "sign": ("source", [1, 1])},
        attrs={"recording": "rec", "model": "full"},
    )
    whole = constraint_table(fits).iloc[0]
    assert whole["verdict"] == "contradicted"
    assert whole["reason"] == "the constraints lower the held-out R2 from 0.0104 to 0.0100"
