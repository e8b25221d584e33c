"""What the commands `curbd` and `lrfit` share: running a subcommand, the arguments of a step, the step `fit`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from curbd.errors import UserError
from curbd.settings.models import Model

if TYPE_CHECKING:
    import xarray as xr

    from curbd.estimators.fitting import Fits

    Fit = Callable[[xr.Dataset, Model, str], Fits]

Command = Callable[[argparse.Namespace], None]


def run(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> int:
    """Parse, run the chosen subcommand, and print a mistake of the user without a traceback."""
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    for package in ("curbd", "lrfit"):
        logging.getLogger(package).setLevel(logging.INFO)
    try:
        chosen.command(chosen)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe (`curbd inspect FILE | head`) has seen enough; nothing is left to be flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def add_step(
    steps: argparse._SubParsersAction[argparse.ArgumentParser], name: str, command: Command, what: str
) -> argparse.ArgumentParser:
    """One subcommand: its name, what it runs and what it does."""
    step = steps.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
    step.set_defaults(command=command)
    return step


def add_fit_step(steps: argparse._SubParsersAction[argparse.ArgumentParser], command: Command) -> None:
    """The subcommand `fit`, the same for every family of models."""
    step = add_step(steps, "fit", command, "fit a network to a recording, every seed of a model")
    step.add_argument("--recording", type=Path, required=True, metavar="recording.nc")
    step.add_argument("--name", required=True, help="name of the model, an entry of `models` in the config")
    step.add_argument("--plan", type=Path, required=True, metavar="plan.json", help="plan of the run, with its models")
    step.add_argument("--out", type=Path, required=True, metavar="network.nc")
    step.add_argument("--fits", type=Path, required=True, metavar="fits.csv")
    step.add_argument("--region-scores", type=Path, required=True, metavar="region_scores.csv")
    step.add_argument("--unit-scores", type=Path, required=True, metavar="unit_scores.csv")
    step.add_argument("--threads", type=int, default=1)


def add_network_arguments(step: argparse.ArgumentParser) -> None:
    """The arguments of every step that reads a fitted network."""
    step.add_argument("--recording", type=Path, required=True, metavar="recording.nc")
    step.add_argument("--network", type=Path, required=True, metavar="network.nc")
    step.add_argument("--threads", type=int, default=1)


def fit_and_score(chosen: argparse.Namespace, fit: Fit) -> None:
    """The step `fit` with the `fit` of one family of models."""
    from curbd import tables
    from curbd.scores.score import score
    from curbd.settings.plan import load_plan
    from curbd.storage import whole_file, write_netcdf

    set_threads(chosen)
    recording, truth = read_recording(chosen)
    model = load_plan(chosen.plan).fit_model(str(recording.attrs["recording"]), chosen.name)
    networks, seconds = fit(recording, model, chosen.name)
    scores = score(recording, networks, seconds, truth)
    write_netcdf({"/": networks}, chosen.out)
    tables.write("fits", scores.fits, chosen.fits)
    tables.write("region_scores", scores.regions, chosen.region_scores)
    with whole_file(chosen.unit_scores) as part:
        scores.units.to_csv(part, index=False, lineterminator="\n")


def set_threads(chosen: argparse.Namespace) -> None:
    """Let this process compute with as many threads as the step was given."""
    import torch

    torch.set_num_threads(chosen.threads)


def read_recording(chosen: argparse.Namespace) -> tuple[xr.Dataset, xr.Dataset | None]:
    """The recording that a step was given and, for a teacher, its true network."""
    from curbd.network.truth import read_with_truth

    return read_with_truth(chosen.recording)
