"""The commands `curbd` and `lrfit` as a shell sees them: versions, exit statuses, and no traceback."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import pytest

import curbd
from curbd.cli import main as curbd_main
from curbd.commands.command_line import add_step, command_parser, run
from curbd.errors import UserError
from lrfit.cli import main as lrfit_main


def status_of(command: Callable[[argparse.Namespace], None]) -> int:
    """Exit status of a command with one step."""
    parser, steps = command_parser("program", "A program.")
    add_step(steps, "step", command, "do something")
    return run(parser, ["step"])


@pytest.mark.parametrize(("program", "main"), [("curbd", curbd_main), ("lrfit", lrfit_main)])
def test_a_command_prints_its_version(
    program: str, main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"{program} {curbd.__version__}\n"


def test_success_is_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(lambda arguments: print("done")) == 0
    assert capsys.readouterr() == ("done\n", "")


def test_a_mistake_of_the_user_is_status_2_and_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(arguments: argparse.Namespace) -> None:
        raise UserError.at("config.yaml, seeds", found="none", expected="at least one seed")

    assert status_of(fail) == 2
    assert capsys.readouterr().err == "config.yaml, seeds: found none, expected at least one seed\n"


def test_an_interrupt_is_status_130_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(arguments: argparse.Namespace) -> None:
        raise KeyboardInterrupt

    assert status_of(interrupt) == 130
    assert capsys.readouterr() == ("", "program: interrupted\n")


def test_a_defect_of_the_program_has_a_traceback() -> None:
    def fail(arguments: argparse.Namespace) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        status_of(fail)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["teacher", "demo", "--seed", "-1", "--out", "x.h5"], "found '-1', expected a whole number of at least 0"),
        (["teacher", "demo", "--seed", "one", "--out", "x.h5"], "found 'one', expected a whole number"),
    ],
)
def test_numbers_that_cannot_be_used_are_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        curbd_main(words)
    assert message in capsys.readouterr().err
