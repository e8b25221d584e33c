"""The command line that all benchmarks share: where tables are written, what is computed again, and how it is run."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch


def parser(
    benchmark: str,
    description: str | None,
    written: str,
    *,
    seeds: Sequence[int] = (),
    quick: bool = False,
    again: bool = True,
) -> argparse.ArgumentParser:
    """A parser with the arguments that benchmarks share.

    Parameters
    ----------
    benchmark : name of the module in `benchmarks`.
    description : docstring of that module.
    written : files and folders that the benchmark writes, for the help of ``--out``.
    seeds : default of ``--seeds``, the seeds of the teachers; without any there is no such argument.
    quick : whether there is ``--quick``, which tries the benchmark on tiny recordings.
    again : whether there is ``--again``, which computes rows anew that a table already holds.
    """
    arguments = argparse.ArgumentParser(description=description, prog=f"python -m benchmarks.{benchmark}")
    default = "docs; build with --quick" if quick else "docs"
    arguments.add_argument("--out", type=Path, default=None, help=f"folder of {written} (default: {default})")
    if seeds:
        arguments.add_argument("--seeds", nargs="+", type=int, default=list(seeds), help="seeds of the teachers")
    if quick:
        arguments.add_argument("--quick", action="store_true", help="tiny recordings, to try the machinery")
    if again:
        arguments.add_argument("--again", action="store_true", help="compute rows anew that the table already holds")
    return arguments


def folder(options: argparse.Namespace) -> Path:
    """The folder that ``--out`` names, or else its default."""
    chosen: Path | None = options.out
    if chosen is not None:
        return chosen
    return Path("build" if getattr(options, "quick", False) else "docs")


@contextmanager
def measuring() -> Iterator[None]:
    """Log progress with the time of day, and let torch compute with one thread while a benchmark runs.

    One thread makes times comparable between machines, and lets several benchmarks share one.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
