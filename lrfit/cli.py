"""The command `lrfit`: the steps for low-rank networks, with the arguments that they have in the command `curbd`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from curbd.commands import (
    add_fit_step,
    add_network_arguments,
    add_step,
    fit_and_score,
    read_recording,
    run,
    set_threads,
)
from lrfit.estimators.fitting import fit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand of `lrfit`.

    Returns
    -------
    0 for success, 2 for a mistake that the user can correct.
    """
    parser = argparse.ArgumentParser(prog="lrfit", description="Low-rank networks: how they are fitted and read.")
    steps = parser.add_subparsers(required=True, metavar="STEP")
    add_fit_step(steps, _fit)
    step = add_step(steps, "latents", _latents, "write the latent variables of a low-rank network")
    add_network_arguments(step)
    step.add_argument("--out", type=Path, required=True, metavar="latents.parquet")
    step = add_step(steps, "mechanism", _mechanism, "write the tables on the mechanism of a low-rank network")
    add_network_arguments(step)
    for file in ("dynamics.csv", "field.parquet", "geometry.csv", "populations.csv", "transmission.csv"):
        step.add_argument(f"--{Path(file).stem}", type=Path, required=True, metavar=file)
    return run(parser, arguments)


def _fit(chosen: argparse.Namespace) -> None:
    fit_and_score(chosen, fit)


def _latents(chosen: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.storage import read_netcdf
    from lrfit.mechanism.latents import latents

    set_threads(chosen)
    recording, _ = read_recording(chosen)
    tables.write("latents", latents(recording, read_netcdf(chosen.network)), chosen.out)


def _mechanism(chosen: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.storage import read_netcdf
    from lrfit.mechanism.mechanism_tables import mechanism_tables

    set_threads(chosen)
    recording, _ = read_recording(chosen)
    for name, table in mechanism_tables(recording, read_netcdf(chosen.network)).items():
        tables.write(name, table, getattr(chosen, name))
