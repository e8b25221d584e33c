"""The command `curbd`: each step reads files, calls the library, writes files, and decides nothing.

Libraries that are slow to import are imported by the step that needs them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from curbd.cli.analysis_steps import add_analysis_steps
from curbd.cli.network_steps import add_network_steps
from curbd.cli.recording_steps import add_recording_steps
from curbd.cli.run_steps import add_run_steps
from curbd.commands.command_line import command_parser, run


def main(words: Sequence[str] | None = None) -> int:
    """Run one step of `curbd`.

    Parameters
    ----------
    words : arguments of the command line after ``curbd``; None takes them from `sys.argv`.

    Returns
    -------
    Exit status: 0 for success, 2 for a mistake that the user can correct, 130 after Ctrl-C, 143 after SIGTERM.
    """
    words = list(sys.argv[1:] if words is None else words)
    options: list[str] = []
    if words[:1] == ["run"] and "--" in words:
        options = words[words.index("--") + 1 :]
        words = words[: words.index("--")]
    return run(parser(options), words)


def parser(options: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Make the parser of the command line of `curbd`.

    Parameters
    ----------
    options : options of Snakemake, which the step `run` hands on.

    Returns
    -------
    The parser.
    """
    made, steps = command_parser("curbd", "Which brain region drives which, from recordings.")
    add_recording_steps(steps)
    add_network_steps(steps)
    add_analysis_steps(steps)
    add_run_steps(steps, list(options))
    return made
