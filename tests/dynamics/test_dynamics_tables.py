"""The step `dynamics`: valid tables and a graph for a network of full rank and for a low-rank network."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

import lrfit
from benchmarks.recorded import recorded
from curbd import tables
from curbd.cli import main
from curbd.dynamics.slow_modes import WARNING
from curbd.storage.netcdf import write_netcdf
from curbd.tables.dynamics import TABLES
from lrfit.teachers import constructed, low_rank_teacher, tasks
from tests.support.known_network import known_networks, small


@pytest.fixture(scope="module")
def of_full_rank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("full")
    recording, truth = small(folder, units=5)
    write_netcdf({"/": recording}, folder / "recording.nc")
    write_netcdf({"/": known_networks(recording, truth, 2)}, folder / "network.nc")
    return described(folder)


@pytest.fixture(scope="module")
def of_two_bits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bits")
    teacher = constructed.flip_flop(0, units=60)
    trials = tasks.flip_flop(40, np.random.default_rng(0))
    recording, _ = recorded(low_rank_teacher.record(teacher, trials, np.random.default_rng(1)))
    model = lrfit.Model(family="low_rank", options={"rank": 2}, seeds=[0])
    write_netcdf({"/": recording}, folder / "recording.nc")
    write_netcdf({"/": lrfit.fit(recording, model, "low")[0]}, folder / "network.nc")
    return described(folder)


def described(folder: Path) -> Path:
    words = ["dynamics", "--recording", str(folder / "recording.nc"), "--network", str(folder / "network.nc")]
    assert main([*words, "--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("name", TABLES)
def test_every_table_of_a_full_rank_network_is_valid_and_says_what_partial_observation_can_make(
    of_full_rank: Path, name: str
) -> None:
    table = tables.read(name, of_full_rank / tables.TABLES[name].file)
    assert tables.problems(name, table) == []
    assert set(table["warning"]) <= {WARNING}
    if name in ("attractors", "lyapunov"):
        assert set(table["seed"]) == {0, 1}


def test_two_equal_fits_have_the_same_attractors(of_full_rank: Path) -> None:
    table = tables.read("attractors", of_full_rank / "attractors.csv")
    assert (table.loc[table["type"] == "fixed_point", "found_in"] == 1).all()
    assert (table["delay_line_time_constant_s"] > 0).all()


def test_the_fit_to_two_bits_has_four_attractors_and_eight_transitions(of_two_bits: Path) -> None:
    edges = tables.read("transitions", of_two_bits / "transitions.csv")
    pulses = edges[edges["cause"] != "autonomous"]
    assert (len(pulses), pulses["changes"].sum()) == (16, 8)
    graph = nx.read_graphml(of_two_bits / "attractors.graphml")
    data = json.loads((of_two_bits / "attractors.json").read_text())
    assert sum(attractor for _, attractor in graph.nodes(data="attractor")) == 4
    assert nx.node_link_graph(data, edges="edges").number_of_edges() == graph.number_of_edges() == len(edges)
