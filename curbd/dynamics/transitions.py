"""The graph of attractors: which attractor a network leaves for which other, by itself and caused by inputs.

Publication of the idea: Turner & Barak, COSYNE 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import networkx as nx
import numpy as np

from curbd.dynamics.attractors import Attractor
from curbd.dynamics.fixed_points import FixedPoint
from curbd.dynamics.limit_cycles import LimitCycle, on_cycle
from curbd.dynamics.system import System
from curbd.network.recorded import Recorded

Array = np.ndarray
AUTONOMOUS = "autonomous"
ELSEWHERE = "elsewhere"
"""Name of the node for everything that is no attractor of the list."""
PHASES_OF_A_CYCLE = 8
"""Phases of a cycle at which an input starts."""
RELEASE_TIME_CONSTANTS = 100.0
"""Time after an input in which the network settles, in time constants."""
SAME_END_DISTANCE = 0.01
"""A simulation has reached a fixed point if its distance is below this number times (1 + the norm of the point)."""
PUSH = 0.01
"""Size of the push that makes a network leave an unstable point, times (1 + the norm of the point)."""


class InputEvent(NamedTuple):
    """A pulse of one input, as the recording has them.

    Attributes
    ----------
    name : ``<input>+`` or ``<input>-``, with the sign of the pulse.
    u : (input,) inputs during the pulse.
    duration_s : length of the pulse, s.
    """

    name: str
    u: Array
    duration_s: float


class Transition(NamedTuple):
    """An edge of the graph of attractors.

    Attributes
    ----------
    start, end : names of the nodes.
    cause : name of an input event, or ``autonomous`` for what an unstable point does when it is left.
    share : share of the simulations from this start with this cause that end here.
    """

    start: str
    end: str
    cause: str
    share: float


def input_events(recorded: Recorded) -> list[InputEvent]:
    """Describe the pulses of every input: the median size and length of its stretches of one sign.

    Parameters
    ----------
    recorded : inputs of the trials.

    Returns
    -------
    One event for every input and sign that occurs.
    """
    dt_s = float(np.diff(recorded.time_s).mean()) if len(recorded.time_s) > 1 else 0.0
    events = []
    for column, name in enumerate(recorded.input_name):
        u = np.where(recorded.observed, np.nan_to_num(recorded.u[..., column]), 0.0)
        for sign, mark in ((1, "+"), (-1, "-")):
            on = np.pad(sign * u > 0, ((0, 0), (1, 1)))
            edges = np.diff(on.astype(int), axis=1)
            lengths = np.nonzero(edges == -1)[1] - np.nonzero(edges == 1)[1]
            if len(lengths):
                size = float(np.median(u[sign * u > 0]))
                pulse = size * np.eye(len(recorded.input_name))[column]
                events.append(InputEvent(f"{name}{mark}", pulse, float(np.median(lengths)) * dt_s))
    return events


def node_names(found: Sequence[Attractor]) -> list[str]:
    """Name the attractors of a list by kind and number: ``stable_fixed_point_1``, ``saddle_fixed_point_1``, ..."""
    kinds = [f"{attractor.solution.stability}_{attractor.solution.type}" for attractor in found]
    return [f"{kind}_{kinds[: index + 1].count(kind)}" for index, kind in enumerate(kinds)]


def transitions(system: System, found: Sequence[Attractor], events: Sequence[InputEvent]) -> list[Transition]:
    """Simulate what every input does to every attractor, and where unstable points lead.

    Parameters
    ----------
    system : the network.
    found : its attractors without input.
    events : the pulses; every pulse acts on every attractor, and the network then settles without input.

    Returns
    -------
    The edges of the graph.
    """
    names = node_names(found)
    starts: list[tuple[str, str, Array, int]] = []
    for name, attractor in zip(names, found, strict=True):
        solution = attractor.solution
        if solution.type == "slow_point":
            continue
        if solution.stability == "stable":
            starts += [(name, event.name, z, k) for k, event in enumerate(events) for z in _states_on(solution)]
        elif isinstance(solution, FixedPoint):
            starts += [(name, AUTONOMOUS, z, -1) for z in _pushed(system, solution)]
    if not starts:
        return []
    ends = _settled(system, np.array([z for _, _, z, _ in starts]), np.array([k for *_, k in starts]), events)
    stable = [(name, a.solution) for name, a in zip(names, found, strict=True) if a.solution.stability == "stable"]
    reached = [_node_at(end, stable) for end in ends]
    counts: dict[tuple[str, str], list[str]] = {}
    for (name, cause, _, _), end in zip(starts, reached, strict=True):
        counts.setdefault((name, cause), []).append(end)
    return [
        Transition(name, end, cause, ends_here.count(end) / len(ends_here))
        for (name, cause), ends_here in counts.items()
        for end in dict.fromkeys(ends_here)
    ]


def graph_of(found: Sequence[Attractor], edges: Sequence[Transition]) -> nx.MultiDiGraph:
    """Build the graph of attractors, for GraphML and JSON.

    Parameters
    ----------
    found : attractors without input, the nodes.
    edges : the transitions.

    Returns
    -------
    The graph; nodes have the attributes ``type``, ``stability`` and ``attractor``, edges ``cause``, ``share`` and
    ``changes`` (whether the edge leads to another node).
    """
    graph = nx.MultiDiGraph()
    for name, attractor in zip(node_names(found), found, strict=True):
        solution = attractor.solution
        if solution.type != "slow_point":
            is_attractor = solution.stability == "stable"
            graph.add_node(name, type=solution.type, stability=solution.stability, attractor=is_attractor)
    for edge in edges:
        if edge.end == ELSEWHERE:
            graph.add_node(ELSEWHERE, type=ELSEWHERE, stability=ELSEWHERE, attractor=False)
        graph.add_edge(edge.start, edge.end, cause=edge.cause, share=edge.share, changes=edge.start != edge.end)
    return graph


def _states_on(solution: FixedPoint | LimitCycle) -> Array:
    if isinstance(solution, FixedPoint):
        return solution.z[None]
    return solution.orbit[np.linspace(0, len(solution.orbit), PHASES_OF_A_CYCLE, endpoint=False).astype(int)]


def _pushed(system: System, point: FixedPoint) -> Array:
    """States next to an unstable point, on both sides along each of its growing directions."""
    values, vectors = np.linalg.eig(system.field(_no_input(system)).recurrence(point.z))
    growing = np.concatenate([vectors.real.T[values.real > 1], vectors.imag.T[(values.real > 1) & (values.imag > 0)]])
    growing = growing / np.maximum(np.linalg.norm(growing, axis=1, keepdims=True), 1e-300)
    size = PUSH * (1 + np.linalg.norm(point.z))
    return point.z + size * np.concatenate([growing, -growing])


def _settled(system: System, z: Array, event: Array, events: Sequence[InputEvent]) -> Array:
    """States long after each pulse (-1 for none), all simulated at the same time."""
    no_input = _no_input(system)
    field = system.field(no_input)
    step = field.step_s / field.tau_s
    n_steps = np.array([0, *(round(pulse.duration_s / field.step_s) for pulse in events)])[event + 1]
    pulses = np.array([no_input, *(pulse.u for pulse in events)])[event + 1]
    v = np.zeros_like(pulses)
    for k in range(n_steps.max() + round(RELEASE_TIME_CONSTANTS / step)):
        u = np.where((k < n_steps)[:, None], pulses, 0.0)
        # An Euler step ends with the filtered inputs of its end, and begins with those of its start.
        z = z + step * system.field(v).velocity(z)
        v = system.later_input(v, u)
    return z


def _no_input(system: System) -> Array:
    return np.zeros(system.n_inputs)


def _node_at(z: Array, stable: Sequence[tuple[str, FixedPoint | LimitCycle]]) -> str:
    for name, solution in stable:
        if isinstance(solution, LimitCycle):
            if on_cycle(z, solution):
                return name
        elif np.linalg.norm(z - solution.z) < SAME_END_DISTANCE * (1 + np.linalg.norm(solution.z)):
            return name
    return ELSEWHERE
