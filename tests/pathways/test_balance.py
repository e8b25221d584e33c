"""Currents by cell type are those of the units of this type, and sum to the net current."""

from pathlib import Path

import numpy as np

from curbd import teachers
from curbd.network.view import view
from curbd.pathways.balance import balance_table, silent_rate
from curbd.recording.ingest import ingest_file
from curbd.tables import problems
from tests.support.known_network import known_networks


def test_currents_by_cell_type_of_the_true_network(tmp_path: Path) -> None:
    teacher = teachers.excitatory_inhibitory(units=10, trials=4, samples=40, seed=1)
    teachers.write_hdf5(teacher, tmp_path / "ei.h5")
    session = ingest_file(tmp_path / "ei.h5")
    networks = known_networks(session.recording, session.truth)
    table = balance_table(session.recording, networks)
    assert problems("balance", table) == []
    assert silent_rate(session.recording, view(session.recording, networks)) == -1

    rows = table[(table["target"] == "A") & (table["source"] == "all regions")]
    inhibitory = np.array(teacher.cell_type) == "inhibitory"
    onto_a = teacher.network.J[teacher.region == "A"]
    above = teacher.rates.mean(0) + 1
    np.testing.assert_allclose(rows["excitatory"], (above[:, ~inhibitory] @ onto_a[:, ~inhibitory].T).mean(1))
    np.testing.assert_allclose(rows["inhibitory"], (above[:, inhibitory] @ onto_a[:, inhibitory].T).mean(1))
    assert (rows["excitatory"] > 0).all()
    np.testing.assert_allclose(rows["inhibition_ratio"] * rows["excitatory"], -rows["inhibitory"])
    # Inhibition stays inside the region.
    assert (rows["inhibitory"] < 0).all()
    from_others = table[(table["target"] == "A") & table["source"].isin(["B", "C"])]
    assert (from_others["inhibitory"] == 0).all()


def test_recordings_without_cell_types_have_no_balance(tmp_path: Path) -> None:
    teachers.write_hdf5(teachers.multi_region(units=4, trials=4, samples=30), tmp_path / "plain.h5")
    session = ingest_file(tmp_path / "plain.h5")
    assert balance_table(session.recording, known_networks(session.recording, session.truth)) is None
