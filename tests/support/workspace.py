"""A folder with the workflow in it and nothing else, as a fresh clone has it, and how to run it there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd

from curbd import tables

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
ENVIRONMENT = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "MPLBACKEND": "Agg"}


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
    run = subprocess.run(
        command(*arguments),
        cwd=folder,
        env=ENVIRONMENT | {"CURBD_CHECK": "1" if opens_files else "0"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # A cluster job that can never start would wait for ever.
        timeout=1200,
    )
    assert run.returncode == status, run.stdout
    return run.stdout


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
