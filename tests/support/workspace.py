"""A folder with the workflow in it and nothing else, as a fresh clone has it, and how to run it there."""

from __future__ import annotations

import multiprocessing
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from snakemake.cli import main as snakemake_main

from curbd import tables
from curbd.cli import main as curbd
from curbd.commands.default_models import with_default_models
from curbd.settings.plan_reading import read_plan
from curbd.storage.whole_files import whole_file
from lrfit.cli import main as lrfit

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
ENVIRONMENT = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "MPLBACKEND": "Agg"}

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "tests.support.workspace",
        "curbd.commands.check",
        "curbd.estimators.streamed",
        "curbd.inactivation",
        "curbd.report",
    ]
)
NO_JOBS = {"--dry-run", "-n", "-np", "--unlock", "--lint"}
"""Options with which Snakemake starts no job."""


def make_workspace(folder: Path) -> Path:
    """Copy everything that a run needs, without results or recordings."""
    folder.mkdir(exist_ok=True)
    for name in ("workflow", "config", "profiles"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("Snakefile", "environment.yml"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "data").mkdir()
    return folder


def command(*arguments: str) -> list[str]:
    cores = [] if "--workflow-profile" in arguments else ["--cores", "2"]
    return [str(BIN / "snakemake"), *cores, *arguments]


def snakemake(folder: Path, *arguments: str, status: int = 0, opens_files: bool = True) -> str:
    """Run Snakemake in a folder and return what it printed; fails where it ends with another status.

    Without ``opens_files``, the recordings may be empty files: their settings are not compared with them.
    """
    environment = ENVIRONMENT | {"CURBD_CHECK": "1" if opens_files else "0"}
    run = _plan if NO_JOBS & set(arguments) else _run
    found, printed = run(folder, command(*arguments), environment)
    assert found == status, printed
    return printed


def run_steps(folder: Path, *arguments: str) -> None:
    """Run the commands of all jobs that Snakemake plans, one after another in one process.

    Snakemake starts a process for every job. Importing the libraries would take most of the time of a small study.
    """
    config = folder / arguments[arguments.index("--configfile") + 1]
    printed = snakemake(folder, "--dry-run", "--printshellcmds", *arguments)
    commands = re.findall(r"^ *(?:Shell command: )?((?:curbd|lrfit) .*?) > ", printed, flags=re.MULTILINE)
    jobs = {rule: count for rule, count in planned(printed).items() if rule not in ("all", "default")}
    assert len(commands) == sum(jobs.values()), printed
    status, log = _in_fork(_call_steps, folder, config, list(map(shlex.split, commands)))
    assert status == 0, log


def _run(folder: Path, words: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Run a command line; returns its status and what it printed."""
    # A cluster job that can never start would wait for ever.
    run = subprocess.run(
        words, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1200
    )
    return run.returncode, run.stdout


def _plan(folder: Path, words: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Run a command line of Snakemake in the fork of a process that has imported Snakemake.

    Imports take most of the time of a run that starts no job.
    """
    return _in_fork(_call_snakemake, folder, words, environment)


def _in_fork(function: Callable[..., None], folder: Path, *values: object) -> tuple[int, str]:
    """Call a function in a folder, in the fork of a process that has imported the libraries of most steps.

    Returns the status with which the fork ends, and what the fork printed.
    """
    with tempfile.TemporaryDirectory() as temporary:
        printed = Path(temporary) / "printed"
        fork = FORKS.Process(target=_call, args=(function, folder, printed, *values))
        fork.start()
        fork.join()
        assert fork.exitcode is not None
        return fork.exitcode, printed.read_text(encoding="utf-8")


def _call(function: Callable[..., None], folder: Path, printed: Path, *values: object) -> None:
    """Call a function in a folder, with everything that the process prints in a file."""
    os.chdir(folder)
    file = os.open(printed, os.O_CREAT | os.O_WRONLY)
    os.dup2(file, 1)
    os.dup2(file, 2)
    function(*values)


def _call_snakemake(words: list[str], environment: dict[str, str]) -> None:
    """Take the place of a command line of Snakemake."""
    os.environ.update(environment)
    sys.argv = words
    snakemake_main()


def _call_steps(config: Path, commands: list[list[str]]) -> None:
    """Write the plan of a study, as the start of the workflow does, and take the place of the commands of its steps."""
    os.environ.update(ENVIRONMENT)
    plan = with_default_models(read_plan(config))
    with whole_file(Path(plan.config.results) / "plan.json") as temporary:
        temporary.write_text(plan.to_json(), encoding="utf-8")
    for program, *words in commands:
        status = {"curbd": curbd, "lrfit": lrfit}[program](words)
        assert status == 0, words


def planned(printed: str) -> dict[str, int]:
    """Rule -> number of jobs, from what a dry run printed."""
    lines = printed.partition("Job stats:")[2].splitlines()[3:]
    counts = {}
    for line in lines:
        if not line.strip() or line.startswith("total"):
            break
        rule, count = line.split()
        counts[rule] = int(count)
    return counts


def read_tables(results: Path) -> dict[str, pd.DataFrame]:
    """Every table of a run, without the wall time of the fits."""
    read = {name: tables.read(name, results / "tables" / table.file) for name, table in tables.TABLES.items()}
    return {name: table.drop(columns="seconds", errors="ignore") for name, table in read.items()}


def assert_same_tables(one: Path, other: Path) -> None:
    """The tables of two runs agree to the last digit."""
    first, second = read_tables(one), read_tables(other)
    for name, table in first.items():
        pd.testing.assert_frame_equal(table, second[name], check_exact=True, obj=name)
