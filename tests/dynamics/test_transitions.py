"""The graph of attractors of networks whose attractors and transitions are known."""

from __future__ import annotations

import numpy as np
import pytest

from curbd.dynamics.attractors import attractors
from curbd.dynamics.system import NetworkSystem
from curbd.dynamics.transitions import AUTONOMOUS, InputEvent, Transition, graph_of, transitions
from lrfit.teachers import constructed, low_rank_teacher


def system(teacher: low_rank_teacher.LowRankTeacher, rng: np.random.Generator) -> NetworkSystem:
    rank = teacher.m.shape[1]
    z = rng.standard_normal((10, 30, rank))
    return NetworkSystem(teacher.m, teacher.n, teacher.network, z, teacher.region)


def pulses(count: int) -> list[InputEvent]:
    return [
        InputEvent(f"bit_{k + 1}{m}", s * np.eye(count)[k], 0.1) for k in range(count) for s, m in ((1, "+"), (-1, "-"))
    ]


@pytest.mark.parametrize("seed", range(3))
def test_two_bits_have_four_attractors_eight_changes_and_eight_pulses_that_change_nothing(seed: int) -> None:
    network = system(constructed.flip_flop(seed, units=200), np.random.default_rng(seed))
    found = attractors(network.field(np.zeros(2)), network.z.reshape(-1, 2))
    edges = transitions(network, found, pulses(2))
    by_input = [edge for edge in edges if edge.cause != AUTONOMOUS]
    assert len(by_input) == 16
    assert sum(edge.start != edge.end for edge in by_input) == 8
    assert all(edge.share == 1 for edge in by_input)
    graph = graph_of(found, edges)
    assert sum(attractor for _, attractor in graph.nodes(data="attractor")) == 4
    # Every saddle lies between two attractors, and the unstable point between all.
    ends = {edge.start: {other.end for other in edges if other.start == edge.start} for edge in edges}
    assert all(len(reached) == 2 for start, reached in ends.items() if start.startswith("saddle"))


def test_a_pulse_on_a_cycle_ends_on_the_cycle() -> None:
    network = system(constructed.oscillator(0, units=200), np.random.default_rng(0))
    network = NetworkSystem(
        network.m, network.n, network.network._replace(B=network.m[:, :1] * 0.5), network.z, network.element_region
    )
    found = attractors(network.field(np.zeros(1)), network.z.reshape(-1, 2))
    edges = transitions(network, found, [InputEvent("push+", np.ones(1), 0.1)])
    assert Transition("stable_limit_cycle_1", "stable_limit_cycle_1", "push+", 1.0) in edges
    assert {edge.end for edge in edges if edge.cause == AUTONOMOUS} == {"stable_limit_cycle_1"}
