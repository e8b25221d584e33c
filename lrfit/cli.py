"""The command `lrfit`: the steps for low-rank networks, with the arguments that they have in the command `curbd`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from curbd.commands.steps import (
    add_fit_step,
    add_network_arguments,
    add_step,
    command_parser,
    fit_and_score,
    read_recording,
    run,
    set_threads,
)


def main(words: Sequence[str] | None = None) -> int:
    """Run one step of `lrfit`.

    Parameters
    ----------
    words : arguments of the command line after ``lrfit``; None takes them from `sys.argv`.

    Returns
    -------
    Exit status: 0 for success, 2 for a mistake that the user can correct, 130 after Ctrl-C.
    """
    parser, steps = command_parser("lrfit", "Fit low-rank networks to recordings and describe their mechanism.")
    add_fit_step(steps, _fit)
    step = add_step(steps, "latents", _latents, "write the latent variables of a low-rank network")
    add_network_arguments(step)
    step.add_argument("--out", type=Path, required=True, metavar="latents.parquet", help="file for the latents")
    step = add_step(steps, "mechanism", _mechanism, "write the tables on the mechanism of a low-rank network")
    add_network_arguments(step)
    for file in ("dynamics.csv", "field.parquet", "geometry.csv", "populations.csv", "transmission.csv"):
        name = Path(file).stem
        step.add_argument(f"--{name}", type=Path, required=True, metavar=file, help=f"file for the table {name}")
    return run(parser, words)


def _fit(arguments: argparse.Namespace) -> None:
    from lrfit.estimators.fitting import fit

    fit_and_score(arguments, fit)


def _latents(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.storage import read_netcdf
    from lrfit.mechanism.latents import latents

    set_threads(arguments)
    recording, _ = read_recording(arguments)
    tables.write("latents", latents(recording, read_netcdf(arguments.network)), arguments.out)


def _mechanism(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.storage import read_netcdf
    from lrfit.mechanism.mechanism_tables import mechanism_tables

    set_threads(arguments)
    recording, _ = read_recording(arguments)
    for name, table in mechanism_tables(recording, read_netcdf(arguments.network)).items():
        tables.write(name, table, getattr(arguments, name))
