"""A folder with the workflow in it and nothing else, as a fresh clone has it, and how to run it there."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from snakemake.cli import main as snakemake_main

from curbd import tables

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
ENVIRONMENT = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "MPLBACKEND": "Agg"}

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.support.workspace", "curbd.settings.plan"])
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
    with tempfile.TemporaryDirectory() as temporary:
        printed = Path(temporary) / "printed"
        run = FORKS.Process(target=_call_snakemake, args=(folder, words, environment, printed))
        run.start()
        run.join()
        assert run.exitcode is not None
        return run.exitcode, printed.read_text(encoding="utf-8")


def _call_snakemake(folder: Path, words: list[str], environment: dict[str, str], printed: Path) -> None:
    """Take the place of a command line of Snakemake, in a process of its own."""
    os.chdir(folder)
    os.environ.update(environment)
    file = os.open(printed, os.O_CREAT | os.O_WRONLY)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.argv = words
    snakemake_main()


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
