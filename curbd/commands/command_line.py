"""The command line of `curbd` and `lrfit`: the parser, its steps, and the run of one step."""

from __future__ import annotations

import argparse
import gc
import io
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version

from curbd.errors import UNWRITABLE, UserError

Steps = argparse._SubParsersAction
Command = Callable[[argparse.Namespace], None]
SUCCESS = 0
USER_ERROR_STATUS = 2
INTERRUPTED_STATUS = 128 + signal.SIGINT
"""Exit status that a shell reports for a program that Ctrl-C has ended: 128 plus the number of the signal."""
TERMINATED_STATUS = 128 + signal.SIGTERM
"""Exit status that a shell reports for a program that the signal SIGTERM has ended."""
OBJECTS_BETWEEN_GARBAGE_COLLECTIONS = 50_000
"""Importing libraries and drawing figures make many small objects that stay: looking for garbage at every 700 of them,
as Python does, takes about a tenth of the time of a short step."""


class Terminated(KeyboardInterrupt):
    """The signal SIGTERM, with which clusters and `kill` end a program."""


def whole_number(lowest: int) -> Callable[[str], int]:
    """Return the type of an option whose value is a whole number that is not below a limit.

    Parameters
    ----------
    lowest : the limit.

    Returns
    -------
    A function that converts the word of the command line, and with which argparse refuses every other word.
    """

    def converted(word: str) -> int:
        if not re.fullmatch(r"-?\d+", word) or int(word) < lowest:
            raise argparse.ArgumentTypeError(f"found {word!r}, expected a whole number of at least {lowest}")
        return int(word)

    return converted


def command_parser(program: str, description: str) -> tuple[argparse.ArgumentParser, Steps[argparse.ArgumentParser]]:
    """Construct the parser of a command, with the option ``--version``.

    Parameters
    ----------
    program : name of the command.
    description : what the command is for.

    Returns
    -------
    The parser, and the object to which its steps are added.
    """
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--version", action="version", version=f"{program} {version('curbd-workflow')}")
    return parser, parser.add_subparsers(required=True, metavar="STEP")


def run(parser: argparse.ArgumentParser, words: Sequence[str] | None) -> int:
    """Run the step that is named on the command line.

    A mistake that the user can correct is printed without a traceback. Ctrl-C and SIGTERM end the step with one line;
    the step may add how to go on, as a note of the exception.

    Parameters
    ----------
    parser : parser of the command.
    words : arguments of the command line after the name of the command; None takes them from `sys.argv`.

    Returns
    -------
    Exit status: 0 for success, 2 for a mistake that the user can correct, 130 after Ctrl-C, 143 after SIGTERM.
    """
    for stream in (sys.stdout, sys.stderr):
        # A console that cannot show a character of a file shows a question mark.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    arguments = parser.parse_args(words)
    gc.set_threshold(OBJECTS_BETWEEN_GARBAGE_COLLECTIONS)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    for package in ("curbd", "lrfit"):
        logging.getLogger(package).setLevel(logging.INFO)
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        arguments.command(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe (`curbd inspect FILE | head`) has seen enough; nothing is left to be flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except UserError as error:
        print(error, file=sys.stderr)
        return USER_ERROR_STATUS
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        # The log of the step cannot be written; nothing is left to be flushed at exit, which would be another error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        with suppress(OSError):
            print(f"{parser.prog}: found {UNWRITABLE[error.errno][0]}, expected room for the output", file=sys.stderr)
        return USER_ERROR_STATUS
    except KeyboardInterrupt as ended:
        is_terminated = isinstance(ended, Terminated)
        what = "ended by the signal SIGTERM (kill, or the end of the time of a job)" if is_terminated else "interrupted"
        print("; ".join([f"{parser.prog}: {what}", *getattr(ended, "__notes__", [])]), file=sys.stderr)
        return TERMINATED_STATUS if is_terminated else INTERRUPTED_STATUS
    finally:
        signal.signal(signal.SIGTERM, before)
    return SUCCESS


def _terminate(*_: object) -> None:
    raise Terminated


def add_step(
    steps: Steps[argparse.ArgumentParser], name: str, command: Command, description: str
) -> argparse.ArgumentParser:
    """Add a step to a command.

    Parameters
    ----------
    steps : the steps of the command.
    name : name of the step on the command line.
    command : the function that the step calls with its arguments.
    description : what the step does, as a sentence without a capital letter at the start and without a full stop.

    Returns
    -------
    The parser of the step, to which its arguments are added.
    """
    step = steps.add_parser(name, help=description, description=f"{description[0].upper()}{description[1:]}.")
    step.set_defaults(command=command)
    return step
