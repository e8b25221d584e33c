"""Steps of the command `curbd` before a network is fitted."""

from __future__ import annotations

import argparse
from pathlib import Path

from curbd.commands.command_line import Steps, add_step, whole_number
from curbd.errors import UserError


def add_recording_steps(steps: Steps[argparse.ArgumentParser]) -> None:
    """Add the steps before a network is fitted."""
    step = add_step(steps, "inspect", _inspect, "print what a recording holds and a line for recordings.tsv")
    step.add_argument("files", nargs="+", metavar="FILE", help="NWB or HDF5 file, or its address on a server")

    step = add_step(steps, "teacher", _teacher, "write a recording of a network whose currents are known")
    step.add_argument("name", metavar="NAME", help="name of the teacher; an unknown name prints the names that exist")
    step.add_argument("--out", type=Path, required=True, metavar="FILE.h5|FILE.nwb", help="file for the recording")
    step.add_argument(
        "--seed", type=whole_number(0), default=0, help="random seed of the teacher (default: %(default)s)"
    )

    step = add_step(steps, "ingest", _ingest, "convert a file to a recording: rates in bins, regions, inputs, trials")
    step.add_argument("--name", required=True, help="name of the recording")
    step.add_argument("--path", required=True, help="NWB or HDF5 file, or its address on a server")
    step.add_argument("--format", choices=("nwb", "hdf5"), required=True, help="format of the file")
    step.add_argument(
        "--plan",
        type=Path,
        metavar="plan.json",
        help="plan of the run, with its settings (default: no plan, default settings)",
    )
    step.add_argument("--model", help="name of a model with its own bin width, smoothing or scaling")
    step.add_argument("--out", type=Path, required=True, metavar="recording.nc", help="file for the recording")
    step.add_argument("--units", type=Path, metavar="units.csv", help="file for the table of units")
    step.add_argument("--regions", type=Path, metavar="regions.csv", help="file for the table of regions")

    step = add_step(steps, "join", _join, "join recordings of the same units, such as days, in one file")
    step.add_argument("recordings", nargs="+", type=Path, metavar="recording.nc", help="recordings with the same bins")
    step.add_argument("--out", type=Path, required=True, metavar="FILE.h5", help="file for all trials")

    step = add_step(steps, "experiments", _experiments, "choose the experiments that are possible on a recording")
    step.add_argument("--recording", type=Path, required=True, metavar="recording.nc", help="recording to be perturbed")
    step.add_argument(
        "--plan", type=Path, required=True, metavar="plan.json", help="plan of the run, with its experiments"
    )
    step.add_argument(
        "--out", type=Path, required=True, metavar="experiments.json", help="file for the chosen experiments"
    )


def _inspect(arguments: argparse.Namespace) -> None:
    from curbd.recording.inspection import inspect

    messages = []
    for index, file in enumerate(arguments.files):
        try:
            page = inspect(file)
        except UserError as error:
            # The pages of the other files are printed all the same.
            messages.append(str(error))
            continue
        print("\n" * (index > 0) + page, flush=True)
    if messages:
        raise UserError("\n".join(messages))


def _teacher(arguments: argparse.Namespace) -> None:
    from curbd import teachers

    teachers.write(arguments.name, arguments.seed, arguments.out)


def _join(arguments: argparse.Namespace) -> None:
    from curbd.recording.joined import write_joined
    from curbd.storage.netcdf import read_netcdf

    print("\n".join(write_joined([read_netcdf(path) for path in arguments.recordings], arguments.out)))


def _ingest(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.commands.ingest_step import ingest_settings, remarks_on_session, write_recording
    from curbd.recording import open_recording
    from curbd.recording.ingest import ingest
    from curbd.settings.plan import load_plan

    plan = None if arguments.plan is None else load_plan(arguments.plan)
    settings = ingest_settings(plan, arguments.name, arguments.model)
    with open_recording(arguments.path, arguments.format, settings.recording, arguments.name) as file:
        session = ingest(file, settings.recording, arguments.name, shared=settings.shared)

    print("\n".join(remarks_on_session(session, settings.purposes)) or "no remarks")
    write_recording(session, arguments.out)
    if arguments.units is not None:
        tables.write("units", session.units, arguments.units)
    if arguments.regions is not None:
        tables.write("regions", session.regions, arguments.regions)


def _experiments(arguments: argparse.Namespace) -> None:
    from curbd.inactivation.check import possible_experiments
    from curbd.settings.plan import as_json, load_plan
    from curbd.storage.netcdf import read_netcdf
    from curbd.storage.whole_files import whole_file

    plan, recording = load_plan(arguments.plan), read_netcdf(arguments.recording)
    wanted = plan.experiments(str(recording.attrs["recording"]))
    experiments, remarks = possible_experiments(recording, wanted, len(plan.recordings) > 1)
    print("\n".join(remarks) or "no remarks")
    with whole_file(arguments.out) as temporary:
        temporary.write_text(as_json(experiments) + "\n", encoding="utf-8")
