"""Cell types and other knowledge of the circuit: where they come from, and which contradictions are told."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from curbd.errors import UserError
from curbd.recording.cell_types import label_cell_types
from curbd.recording.circuit import circuit_of_units, distances
from curbd.settings.constraints import Constraints
from curbd.settings.models import Model
from curbd.settings.recording import CellTypes

COLUMNS = {"waveform": ["narrow", "wide", "wide", "?"]}


@pytest.fixture
def units():
    return pd.DataFrame(
        {
            "unit_id": ["a", "b", "c", "d"],
            "region": ["M1", "M1", "STR", "STR"],
            "cell_type": ["inhibitory", "excitatory", "unknown", "unknown"],
            "x": [0.0, 3.0, 0.0, np.nan],
            "y": [0.0, 4.0, 0.0, np.nan],
            "z": [0.0, 0.0, 6.0, np.nan],
        }
    )


def typed(units, of_file=(), **settings):
    table, notes = label_cell_types(units, list(of_file), COLUMNS, CellTypes.model_validate(settings), "rec")
    return list(table["cell_type"]), list(table["cell_type_source"]), notes


def test_cell_types_name_their_origin(units, tmp_path):
    table = tmp_path / "types.tsv"
    table.write_text("unit_id\tcell_type\tsource\nb\tunknown\twaveform\nc\texcitatory\topsin\nq\tinhibitory\tline\n")
    types, sources, _ = typed(units, ["excitatory", "unknown", "unknown", "unknown"])
    assert types[0] == "excitatory"
    assert sources == ["file", "", "", ""]
    types, sources, notes = typed(
        units, column="waveform", excitatory=["wide"], inhibitory=["narrow"], table=str(table)
    )
    assert types == ["inhibitory", "unknown", "excitatory", "unknown"]
    assert sources == ["column waveform", "", "types.tsv: opsin", ""]
    assert "q" in notes[-1]
    types, sources, _ = typed(units, inhibitory_regions=["STR"])
    assert types == ["unknown", "unknown", "inhibitory", "inhibitory"]
    assert sources[2] == "region STR"


def test_contradictory_cell_types_are_told(units, tmp_path):
    twice = tmp_path / "twice.tsv"
    twice.write_text("unit_id\tcell_type\na\texcitatory\na\tinhibitory\n")
    with pytest.raises(UserError, match="a with several cell types"):
        typed(units, table=str(twice))
    with pytest.raises(UserError, match="c of STR, labelled excitatory"):
        typed(units, ["unknown", "unknown", "excitatory", "unknown"], inhibitory_regions=["STR"])
    with pytest.raises(UserError, match="waveforms"):
        typed(units, column="waveforms")
    with pytest.raises(ValidationError, match="excitatory and inhibitory"):
        CellTypes(excitatory=["RS"], inhibitory=["RS"])
    other = tmp_path / "other.tsv"
    other.write_text("unit_id\tcell_type\na\texcitatory\n")
    *_, notes = typed(units, ["inhibitory", "unknown", "unknown", "unknown"], table=str(other))
    assert "different cell types" in notes[0]


def test_signs_distances_and_missing_positions(units):
    circuit = circuit_of_units(units, Constraints(signs=True, local_inhibition=True, distance=1.0), "rec")
    assert list(circuit.sign) == [-1, 1, 0, 0]
    known = [5.0, 6.0, np.sqrt(25 + 36)]
    assert circuit.distance[0, 1] == 5
    assert circuit.distance[3, 0] == pytest.approx(np.mean(known))
    assert circuit.penalty_factor[0, 2] / circuit.penalty_factor[0, 1] == pytest.approx(6 / 5)


def test_positions_are_exchanged_and_everything_else_stays(units, tmp_path):
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("target\tsource\na\tb\n")
    circuit = circuit_of_units(units, Constraints(distance=1.0, pairs=str(pairs)), "rec")
    order = np.array([2, 0, 1, 3])
    moved = circuit.displaced(order)
    positions = ["x", "y", "z"]
    units.loc[:, positions] = units[positions].to_numpy()[order]
    expected = circuit_of_units(units, Constraints(distance=1.0, pairs=str(pairs)), "rec")
    np.testing.assert_allclose(moved.distance, expected.distance)
    np.testing.assert_allclose(moved.penalty_factor, expected.penalty_factor)


def test_positions_of_several_frames_are_told():
    xyz = np.tile(np.arange(6.0).reshape(2, 3), (2, 1))
    with pytest.raises(UserError, match="one frame"):
        distances(xyz, np.array(["A", "A", "B", "B"]), "rec")
    with pytest.raises(UserError, match="0 of 4 units with a position"):
        distances(np.full((4, 3), np.nan), np.array(["A", "A", "B", "B"]), "rec")


def test_tables_of_pairs_and_densities(units, tmp_path):
    pairs, density = tmp_path / "pairs.tsv", tmp_path / "density.tsv"
    pairs.write_text("target\tsource\na\tb\nb\tc\n")
    circuit = circuit_of_units(units, Constraints(pairs=str(pairs)), "rec")
    absent = ~np.isfinite(circuit.penalty_factor)
    # The unit d is not in the table, and is free; b -> a and c -> b are listed.
    assert sorted(zip(*np.nonzero(absent), strict=True)) == [(0, 2), (1, 0), (2, 0), (2, 1)]
    density.write_text("target\tsource\tsource_type\tdensity\nM1\tM1\texcitatory\t.5\nM1\tSTR\t\t.25\n")
    blocks = circuit_of_units(units, Constraints(density=str(density)), "rec").densities
    assert [(block.source, block.block.sum(), block.share) for block in blocks] == [
        ("M1 excitatory", 2, 0.5),
        ("STR", 4, 0.25),
    ]
    density.write_text("target\tsource\tdensity\nM1\tM1\t1.5\n")
    with pytest.raises(UserError, match=r"1\.5"):
        circuit_of_units(units, Constraints(density=str(density)), "rec")


def test_signs_without_cell_types_are_told(units):
    with pytest.raises(UserError, match="no unit with a known cell type"):
        circuit_of_units(units.assign(cell_type="unknown"), Constraints(signs=True), "rec")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"estimator": "force"}, "expected one of one_step, sparse"),
        ({"options": {"hidden_inputs": "auto"}}, "hidden_inputs: none"),
        ({"constraints": {"local_inhibition": True}}, "expected signs: true"),
        ({"constraints": {}}, "found no constraint"),
        ({"constraints": {"signs": True, "communicability": True}}, "positive distance"),
    ],
)
def test_settings_that_exclude_each_other(model, message):
    with pytest.raises(ValidationError, match=message):
        Model.model_validate({"family": "full_rank", "constraints": {"signs": True}} | model)
