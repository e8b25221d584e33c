"""Pathway verdicts on teachers whose pathways are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from curbd import tables
from curbd.estimators.fitting import fit
from curbd.pathways.judge import judge
from curbd.settings.models import Model
from tests.support.known_network import known_networks, recorded, small


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    recording, truth = recorded(
        tmp_path_factory.mktemp("teacher"), units=12, trials=40, samples=120, substeps=1, absent=[("A", "C")], seed=5
    )
    networks, _ = fit(recording, Model(family="full_rank", tau_s=0.1), "full")
    return judge(recording, networks, truth)


def test_table_passes_its_schema(judged: pd.DataFrame) -> None:
    assert tables.problems("pathways", judged) == []
    assert len(judged) == 3 * 5
    np.testing.assert_allclose(judged.groupby("target")["share"].sum(), 1, atol=0.02)


def test_absent_pathway_is_unresolved_and_present_ones_are_resolved(judged: pd.DataFrame) -> None:
    regions = judged[judged.source.isin(["A", "B", "C"])]
    absent = (regions.target == "A") & (regions.source == "C")
    assert regions[absent]["verdict"].item() == "unresolved"
    assert "shuffled source" in regions[absent]["reason"].item()
    assert (regions[~absent]["verdict"] == "resolved").all(), regions[~absent].to_string()


def test_inputs_are_judged_too(judged: pd.DataFrame) -> None:
    inputs = judged[judged.source.str.startswith("input:")].set_index(["target", "source"])
    reached = [("B", "input:sine"), ("C", "input:step")]
    assert (inputs.loc[reached, "verdict"] == "resolved").all()
    assert (inputs.drop(reached)["verdict"] == "unresolved").all(), inputs.to_string()


def test_predicted_r2_predicts_the_true_r2(judged: pd.DataFrame) -> None:
    scored = judged[judged.true_r2.notna()]
    # On nine pathways, the R2 that the posterior expects is accurate to a few hundredths.
    np.testing.assert_allclose(scored.predicted_r2, scored.true_r2, atol=0.12)


def test_the_true_network_is_its_own_truth(tmp_path: Path) -> None:
    recording, truth = small(tmp_path)
    networks = known_networks(recording, truth, n_seeds=2)
    table = judge(recording, networks, truth)
    present = table[table.true_r.notna()]
    np.testing.assert_allclose(present[["true_r", "true_ratio", "true_r2", "seed_r"]], 1, atol=1e-12)


def test_published_currents_are_unresolved_although_the_fit_is_good(tmp_path: Path) -> None:
    from curbd import teachers
    from curbd.recording import open_recording
    from curbd.recording.ingest import ingest
    from curbd.settings.recording import RecordingSettings

    teachers.write_hdf5(teachers.published_three_region(units=30, coupling=0.02, seed=1), tmp_path / "published.h5")
    with open_recording(tmp_path / "published.h5", "hdf5", RecordingSettings()) as file:
        session = ingest(file, RecordingSettings(), "published")
        recording, truth = session.recording, session.truth
    networks, _ = fit(recording, Model(family="full_rank", tau_s=0.1), "full")
    table = judge(recording, networks, truth)
    between = table[table.target != table.source]
    assert (between["verdict"] == "unresolved").all(), between.to_string()


def test_a_network_that_misses_a_part_of_the_current_resolves_nothing(tmp_path: Path) -> None:
    recording, truth = recorded(tmp_path, units=12, trials=40, samples=120, substeps=1, seed=5)
    networks, _ = fit(recording, Model(family="full_rank", tau_s=0.1, seeds=[0]), "full")
    # Region A loses half of every current: what is left of its currents is as certain as before, and wrong.
    networks["J"] = networks["J"] * np.where(networks["target_region"] == "A", 0.5, 1.0)[None, :, None]
    table = judge(recording, networks, truth)
    reasons = table[table.target == "A"]["reason"]
    assert reasons.str.contains("above that of ridge regression").all(), reasons.to_string()
    assert not table[table.target == "B"]["reason"].str.contains("ridge regression").any()
