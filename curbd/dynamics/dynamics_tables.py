"""The tables on the dynamics of the fits of a model, of any family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
import pandas as pd
import xarray as xr

from curbd.dynamics.attractors import Attractor, attractors, constant_inputs, share_of_fits, some_states
from curbd.dynamics.field import Field
from curbd.dynamics.fixed_points import FixedPoint
from curbd.dynamics.limit_cycles import LimitCycle
from curbd.dynamics.lyapunov import lyapunov_spectrum
from curbd.dynamics.phase_locking import cycle_phase, frequency_hz, phase_locking, signal_phase
from curbd.dynamics.slow_manifolds import manifold_angles
from curbd.dynamics.slow_modes import WARNING, DelayLine, delay_line_test, line_attractor_score, non_normality
from curbd.dynamics.system import System
from curbd.dynamics.transitions import graph_of, input_events, node_names, transitions
from curbd.network.recorded import Recorded
from curbd.progress import tracked
from curbd.tables.dynamics import TABLES

Array = np.ndarray
Rows = list[dict[str, Any]]
NO_INPUT = "none"


class Dynamics(NamedTuple):
    """What is known about the dynamics of the fits of a model.

    Attributes
    ----------
    tables : name -> table, for every table of `curbd.tables.dynamics`.
    graph : attractors and transitions of the first fit.
    """

    tables: dict[str, pd.DataFrame]
    graph: nx.MultiDiGraph


def dynamics_of(
    systems: Mapping[int, System], recorded: Recorded, networks: xr.Dataset, *, all_inputs: bool = False
) -> Dynamics:
    """Describe the dynamics of every fit of a model.

    Parameters
    ----------
    systems : seed -> fitted network as a dynamical system.
    recorded : the recording as the first fit sees it.
    networks : content of network.nc, for the names of recording and model.
    all_inputs : whether attractors and exponents are also computed at the mean inputs of conditions and at every
        single input; otherwise without input only.

    Returns
    -------
    The tables, and the graph of attractors of the first fit.
    """
    held = constant_inputs(recorded)
    held = held if all_inputs else {NO_INPUT: held[NO_INPUT]}
    delay_line = delay_line_test(len(recorded.region))
    spread = float(np.sqrt(recorded.samples.var(0).mean()))
    found = {
        (seed, name): _found(system, _inputs(system, u))
        for seed, system in tracked(list(systems.items()), "attractors of the fits")
        for name, u in held.items()
    }
    rows: dict[str, Rows] = {name: [] for name in TABLES}
    events = input_events(recorded)
    graph = nx.MultiDiGraph()
    for fit_index, (seed, system) in enumerate(systems.items()):
        first = {"recording": networks.attrs["recording"], "model": networks.attrs["model"], "seed": int(seed)}
        without_input = found[seed, NO_INPUT]
        for name, u in held.items():
            others = [found[other_seed, name] for other_seed in systems if other_seed != seed]
            shares = [share_of_fits(attractor, others, spread) for attractor in found[seed, name]]
            keys = first | {"input": name}
            of_points = attractor_rows(system, _inputs(system, u), found[seed, name], shares, delay_line)
            rows["attractors"] += [keys | row for row in of_points]
            rows["lyapunov"] += [keys | row for row in lyapunov_rows(system, _inputs(system, u))]
        edges = transitions(system, without_input, [pulse._replace(u=_inputs(system, pulse.u)) for pulse in events])
        if not fit_index:
            graph = graph_of(without_input, edges)
        rows["transitions"] += [
            first | edge._asdict() | {"changes": edge.start != edge.end, "warning": WARNING} for edge in edges
        ]
        rows["phase_locking"] += [first | row for row in locking_rows(system, without_input, recorded)]
        rows["slow_manifolds"] += [first | row for row in manifold_rows(system, without_input)]
    return Dynamics(
        {name: pd.DataFrame(lines, columns=TABLES[name].names) for name, lines in rows.items()},
        graph,
    )


def attractor_rows(
    system: System, u: Array, found: list[Attractor], shares: list[float], delay_line: DelayLine
) -> Rows:
    """Return the rows of the table ``attractors`` of one fit at one constant input.

    Parameters
    ----------
    system : the network.
    u : (input,) constant input.
    found : the attractors at this input.
    shares : share of the other fits that have each attractor.
    delay_line : what a delay line seen in part looks like.
    """
    field = system.field(u)
    return [
        {
            "point": point,
            "node": name,
            "type": attractor.solution.type,
            "stability": attractor.solution.stability,
            **_linear(system, field, u, attractor.solution, delay_line),
            "delay_line_score": delay_line.score,
            "delay_line_time_constant_s": field.tau_s / (1 - delay_line.eigenvalue),
            "complete": attractor.complete,
            "found_in": share,
            "warning": WARNING,
        }
        for point, (name, attractor, share) in enumerate(zip(node_names(found), found, shares, strict=True), start=1)
    ]


def lyapunov_rows(system: System, u: Array) -> Rows:
    """Return the rows of the table ``lyapunov`` of one fit at the constant input u (input,)."""
    visited = some_states(system.z)
    if not visited.size:
        return []
    field = system.field(u)
    spectrum = lyapunov_spectrum(field, visited)
    return [
        {
            "exponent": index,
            "exponent_per_s": float(value),
            "error_per_s": float(error),
            "exponent_per_tau": float(value * field.tau_s),
            "dimension": spectrum.dimension,
            "warning": WARNING,
        }
        for index, (value, error) in enumerate(zip(spectrum.exponents, spectrum.errors, strict=True), start=1)
    ]


def locking_rows(system: System, found: list[Attractor], recorded: Recorded) -> Rows:
    """Return the rows of the table ``phase_locking`` of one fit: its stable cycles against every recorded input."""
    cycles = {
        name: attractor.solution
        for name, attractor in zip(node_names(found), found, strict=True)
        if isinstance(attractor.solution, LimitCycle) and attractor.solution.stability == "stable"
    }
    dt_s = float(np.diff(recorded.time_s).mean()) if len(recorded.time_s) > 1 else float("nan")
    rows: Rows = []
    for name, cycle in cycles.items():
        phase = cycle_phase(cycle, system.z)
        for column, input_name in enumerate(recorded.input_name):
            driving = signal_phase(np.where(recorded.observed, recorded.u[..., column], np.nan))
            if not np.isfinite(driving).any():
                continue
            rows += [
                {
                    "node": name,
                    "input": str(input_name),
                    "network_cycles": locking.network_cycles,
                    "input_cycles": locking.input_cycles,
                    "network_hz": frequency_hz(phase, dt_s),
                    "input_hz": frequency_hz(driving, dt_s),
                    "own_hz": 1 / cycle.period_s,
                    "locking_index": locking.locking_index,
                    "null_high": locking.null_high,
                    "p_value": locking.p_value,
                    "locked": locking.locked,
                    "warning": WARNING,
                }
                for locking in phase_locking(phase, driving)
            ]
    return rows


def manifold_rows(system: System, found: list[Attractor]) -> Rows:
    """Return the rows of the table ``slow_manifolds`` of one fit: angles at its fixed and slow points without input."""
    no_input = np.zeros(system.n_inputs)
    return [
        {"node": name}
        | angle._asdict()
        | {
            "target_time_constant_s": angle.target_time_constants * system.field(no_input).tau_s,
            "source_time_constant_s": angle.source_time_constants * system.field(no_input).tau_s,
            "warning": WARNING,
        }
        for name, attractor in zip(node_names(found), found, strict=True)
        if isinstance(attractor.solution, FixedPoint)
        for angle in manifold_angles(system.coupling(attractor.solution.z, no_input), system.element_region)
    ]


def _found(system: System, u: Array) -> list[Attractor]:
    visited = some_states(system.z)
    return attractors(system.field(u), visited) if visited.size else []


def _inputs(system: System, u: Array) -> Array:
    """Recorded inputs, followed by hidden inputs of a fit, which are 0."""
    return np.pad(u, (0, system.n_inputs - len(u)))


def _linear(
    system: System, field: Field, u: Array, solution: FixedPoint | LimitCycle, line: DelayLine
) -> dict[str, Any]:
    """Columns on what becomes of small deviations from a point or a cycle."""
    if isinstance(solution, LimitCycle):
        largest = float(np.abs(solution.multipliers).max(initial=0.0))
        slowest_s = -solution.period_s / np.log(largest) if 0 < largest != 1 else np.nan
        return {
            "growing_directions": int((np.abs(solution.multipliers) > 1).sum()),
            "time_constant_s": slowest_s,
            "period_s": solution.period_s,
            "largest_multiplier": largest,
        }
    coupling = system.coupling(solution.z, u)
    beyond = max(len(coupling) - len(solution.eigenvalues), 0)
    values = np.append(solution.eigenvalues, np.zeros(beyond))
    score = line_attractor_score(values) if len(values) > 1 else np.nan
    slowest = solution.eigenvalues[0]
    return {
        "growing_directions": int((solution.eigenvalues.real > 1).sum()),
        "time_constant_s": _finite(field.tau_s / (1 - slowest.real)) if slowest.real != 1 else np.nan,
        "oscillation_hz": abs(slowest.imag) / (2 * np.pi * field.tau_s),
        "speed": solution.speed,
        "line_attractor_score": score,
        "slower_than_delay_line": bool(slowest.real > line.eigenvalue),
        "non_normality": non_normality(float((coupling**2).sum()), values),
        "abscissa": float(np.linalg.eigvalsh((coupling + coupling.T) / 2)[-1]),
    }


def _finite(value: float) -> float:
    return float(value) if np.isfinite(value) else float("nan")
