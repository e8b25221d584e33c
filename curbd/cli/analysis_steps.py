"""Steps of the command `curbd` beside the models: agreement of fits, oscillators, gated units, several animals."""

from __future__ import annotations

import argparse
from pathlib import Path

from curbd.commands.command_line import Steps, add_step
from curbd.commands.steps import read_recording


def add_analysis_steps(steps: Steps[argparse.ArgumentParser]) -> None:
    """Add the analyses beside the models."""
    step = add_step(steps, "degeneracy", _degeneracy, "compare all fits of a recording in pairs")
    step.add_argument("--recording", type=Path, required=True, metavar="recording.nc", help="recording that was fitted")
    step.add_argument(
        "--networks", type=Path, nargs="+", required=True, metavar="network.nc", help="fits of all models"
    )
    step.add_argument("--out", type=Path, required=True, metavar="degeneracy.csv", help="file for the agreement")

    step = add_step(steps, "oscillators", _oscillators, "describe the channels of fields as coupled oscillators")
    step.add_argument("--recording", type=Path, required=True, metavar="recording.nc", help="recording of fields")
    step.add_argument("--out", type=Path, required=True, metavar="oscillators.csv", help="file for the channels")
    step.add_argument("--forces", type=Path, required=True, metavar="oscillator_forces.csv", help="file for the forces")

    step = add_step(steps, "gates", _gates, "describe the units of a recording as gated units")
    step.add_argument("--recording", type=Path, required=True, metavar="recording.nc", help="recording")
    step.add_argument("--plan", type=Path, required=True, metavar="plan.json", help="plan of the run")
    step.add_argument("--out", type=Path, required=True, metavar="gates.csv", help="file for the units")
    step.add_argument("--currents", type=Path, required=True, metavar="gate_currents.csv", help="file for the currents")

    step = add_step(steps, "shared", _shared, "fit one network to the recordings of several animals")
    step.add_argument(
        "--recordings", type=Path, nargs="+", required=True, metavar="recording.nc", help="recordings of the animals"
    )
    step.add_argument("--synapses", metavar="TSV", help="table of connected pairs of units")
    step.add_argument("--out", type=Path, required=True, metavar="network.nc", help="file for the shared network")
    step.add_argument(
        "--weights", type=Path, required=True, metavar="shared_weights.parquet", help="file for the weights"
    )
    step.add_argument(
        "--pathways", type=Path, required=True, metavar="shared_pathways.csv", help="file for the pathways"
    )


def _degeneracy(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.degeneracy.degeneracy_table import degeneracy_table
    from curbd.storage.netcdf import read_netcdf

    recording, _ = read_recording(arguments)
    networks = [read_netcdf(path) for path in arguments.networks]
    table = degeneracy_table(recording, {str(fits.attrs["model"]): fits for fits in networks})
    tables.write("degeneracy", table, arguments.out)


def _oscillators(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.oscillators.oscillator_tables import oscillator_tables

    recording, _ = read_recording(arguments)
    of_recording = oscillator_tables(recording)
    tables.write("oscillators", of_recording.oscillators, arguments.out)
    tables.write("oscillator_forces", of_recording.forces, arguments.forces)


def _gates(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.gates.gate_tables import gate_tables
    from curbd.settings.plan import load_plan

    recording, _ = read_recording(arguments)
    tau_s = load_plan(arguments.plan).recordings[str(recording.attrs["recording"])].settings.tau_s
    of_recording = gate_tables(recording, None if tau_s == "estimate" else tau_s)
    tables.write("gates", of_recording.gates, arguments.out)
    tables.write("gate_currents", of_recording.currents, arguments.currents)


def _shared(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.animals.shared_network import shared_network
    from curbd.animals.shared_tables import shared_tables
    from curbd.storage.netcdf import read_netcdf, write_netcdf

    recordings = [read_netcdf(path) for path in arguments.recordings]
    network = shared_network(
        {str(recording.attrs["recording"]): recording for recording in recordings}, arguments.synapses
    )
    of_network = shared_tables(network)
    write_netcdf({"/": network}, arguments.out)
    tables.write("shared_weights", of_network.weights, arguments.weights)
    tables.write("shared_pathways", of_network.pathways, arguments.pathways)
