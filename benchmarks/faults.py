"""Whether a run that is disturbed at any moment ends with the tables of an undisturbed run.

Every disturbed run is continued with the same command until it ends. Its tables are then compared with those of the
undisturbed run, to the last digit. After every disturbance, each file of results is opened: a file is whole or absent.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import yaml

from benchmarks import command
from benchmarks.document import insert, markdown
from benchmarks.rows import add, finished, rows
from curbd import tables, teachers
from curbd.commands.workflow import snakemake_command
from curbd.errors import UserError
from curbd.storage.netcdf import read_netcdf
from curbd.tables.files import problems

KEYS = ("fault", "run")
SETTINGS_OF_STUDY = {
    "recordings": "my.tsv",
    "results": "out",
    "models": {"full_rank": {"family": "full_rank", "seeds": [0]}},
    "bench": {"groups": 5, "posterior_draws": 3},
}
KILLS_PER_RUN = 4
RUNS = 5
MAX_WAIT_S = 1800.0
"""Longest time that a run may take; a run that hangs is a failure of the benchmark."""
POLL_S = 0.01
COLUMNS = {
    "fault": "disturbance",
    "disturbances": "times",
    "same": "continued to the same tables",
    "half_written": "half-written files",
    "tracebacks": "tracebacks",
}
"""Column of faults.csv -> its heading in the documentation."""


class Reference(NamedTuple):
    """The undisturbed run.

    Attributes
    ----------
    tables : name of a table -> its rows, without wall times.
    seconds : wall time of the run.
    fit_seconds : wall time of the step `fit`.
    sizes_bytes : sizes of all files of results.
    """

    tables: dict[str, pd.DataFrame]
    seconds: float
    fit_seconds: float
    sizes_bytes: list[int]


def make_study(folder: Path, samples: int = 40) -> Path:
    """Write the recording of a small teacher, the table of recordings, and a config with one model.

    Parameters
    ----------
    folder : a folder, made if necessary.
    samples : samples of each trial; more samples make every step longer.

    Returns
    -------
    The config.
    """
    folder.mkdir(parents=True, exist_ok=True)
    teachers.write_hdf5(teachers.multi_region(units=4, trials=10, samples=samples, seed=0), folder / "a.h5")
    (folder / "my.tsv").write_text("recording\tpath\tformat\na\ta.h5\thdf5\n", encoding="utf-8")
    (folder / "my.yaml").write_text(yaml.safe_dump(SETTINGS_OF_STUDY), encoding="utf-8")
    return folder / "my.yaml"


def start(config: Path, *options: str, limit_bytes: int | None = None) -> subprocess.Popen[bytes]:
    """Start the workflow in a process group of its own, with its output in the file ``printed`` beside the config.

    Parameters
    ----------
    config : the config.
    options : additional options of Snakemake.
    limit_bytes : largest size of a file that the run may write; None for no limit.
    """

    def limited() -> None:
        if limit_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with (config.parent / "printed").open("ab") as printed:
        return subprocess.Popen(
            # A killed run leaves its lock on the folder.
            snakemake_command(config, "1", ["--nolock", *options]),
            env=os.environ | {"PATH": path, "MPLBACKEND": "Agg"},
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=limited,
        )


def finish(config: Path, *options: str) -> None:
    """Run the workflow to its end."""
    status = start(config, *options).wait(MAX_WAIT_S)
    if status:
        raise RuntimeError((config.parent / "printed").read_text(encoding="utf-8")[-4000:])


def unreadable(results: Path) -> list[str]:
    """Return the names of the result files that are not whole; files whose name begins with a dot are temporary."""
    names = {table.file: name for name, table in tables.TABLES.items()}
    half = []
    for path in sorted(results.rglob("[!.]*")):
        try:
            if not _is_whole(path, names.get(path.name)):
                half.append(path.name)
        except FileNotFoundError:
            # A step that outlives a killed run may replace its files at any time.
            continue
    return half


def _is_whole(path: Path, table: str | None) -> bool:
    """Whether a file can be read, and holds what its description says if it is a table."""
    try:
        if path.suffix == ".nc":
            read_netcdf(path)
        elif table is not None:
            return not problems(table, tables.read(table, path))
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".html":
            return path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    except (UserError, ValueError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        return False
    return True


def read_results(results: Path) -> dict[str, pd.DataFrame]:
    """Read every table of a run, without the wall times of the fits."""
    read = {name: tables.read(name, results / "tables" / table.file) for name, table in tables.TABLES.items()}
    return {name: table.drop(columns="seconds", errors="ignore") for name, table in read.items()}


def differing(results: Path, expected: dict[str, pd.DataFrame]) -> list[str]:
    """Return the names of the tables of a run that differ from the expected tables in any cell."""
    read = read_results(results)
    return [name for name, table in expected.items() if not table.equals(read[name])]


def undisturbed(config: Path) -> Reference:
    """Run the workflow without a disturbance."""
    begun = time.monotonic()
    finish(config)
    out = config.parent / "out"
    seconds = pd.read_csv(next(out.glob("benchmarks/fit/*/*.tsv")), sep="\t")["s"].iloc[0]
    return Reference(
        tables=read_results(out),
        seconds=time.monotonic() - begun,
        fit_seconds=float(seconds),
        sizes_bytes=[path.stat().st_size for path in out.rglob("*") if path.is_file()],
    )


def killed_anywhere(config: Path, reference: Reference, rng: np.random.Generator) -> Iterator[list[str]]:
    """SIGKILL at random moments of the whole workflow, to all its processes or to Snakemake alone.

    After each kill, yields the files that are not whole.
    """
    moments = np.sort(rng.uniform(0, reference.seconds, KILLS_PER_RUN))
    for wait in np.diff(moments, prepend=0.0):
        run = start(config)
        _wait(run, wait)
        # The jobs of a run of which Snakemake alone is killed live on, and write files during the next run.
        (os.killpg if rng.random() < 0.5 else os.kill)(run.pid, signal.SIGKILL)
        run.wait()
        yield unreadable(config.parent / "out")


def ended_in_fit(config: Path, reference: Reference, rng: np.random.Generator) -> Iterator[list[str]]:
    """SIGTERM to all processes of the workflow at random moments of the step `fit`.

    After each signal, yields the files that are not whole.
    """
    log, network = (config.parent / "out" / path for path in ("logs/fit/a/full_rank.log", "a/full_rank/network.nc"))
    for _ in range(KILLS_PER_RUN):
        log.unlink(missing_ok=True)
        run = start(config)
        _wait(run, MAX_WAIT_S, log.exists)
        _wait(run, rng.uniform(0, reference.fit_seconds), network.exists)
        os.killpg(run.pid, signal.SIGTERM)
        run.wait(MAX_WAIT_S)
        yield unreadable(config.parent / "out")


def without_room(config: Path, reference: Reference, rng: np.random.Generator) -> Iterator[list[str]]:
    """Limits on the size of a file, as of a quota, below the size of the largest file of results."""
    limits = np.sort(np.exp(rng.uniform(np.log(1e3), np.log(max(reference.sizes_bytes)), KILLS_PER_RUN)))
    for limit_bytes in limits:
        start(config, limit_bytes=int(limit_bytes)).wait(MAX_WAIT_S)
        yield unreadable(config.parent / "out")


def on_a_full_disk(config: Path, reference: Reference, rng: np.random.Generator) -> Iterator[list[str]]:
    """A file system (tmpfs) for the results that is full, and grows to another size that is too small."""
    out = config.parent / "out"
    out.mkdir()
    total_bytes = sum(reference.sizes_bytes)
    with _mounted(out) as mount:
        for share in np.sort(rng.uniform(0, 1, KILLS_PER_RUN)):
            mount(f"remount,size={max(4, int(share * total_bytes / 1024))}k")
            start(config).wait(MAX_WAIT_S)
            yield unreadable(out)
        mount("remount,size=512m")
        finish(config)
        shutil.copytree(out, config.parent / "kept")
    shutil.copytree(config.parent / "kept", out, dirs_exist_ok=True)


def read_only(config: Path, reference: Reference, rng: np.random.Generator) -> Iterator[list[str]]:
    """A read-only file system (tmpfs) for the results: from the start, after the step ingest, and after the fit."""
    out = config.parent / "out"
    out.mkdir()
    with _mounted(out) as mount:
        for rule in ("ingest", "fit", "tables"):
            mount("remount,ro")
            start(config).wait(MAX_WAIT_S)
            yield unreadable(out)
            mount("remount,rw,size=512m")
            finish(config, "--until", rule)
        finish(config)
        shutil.copytree(out, config.parent / "kept")
    shutil.copytree(config.parent / "kept", out, dirs_exist_ok=True)


@contextmanager
def _mounted(folder: Path) -> Iterator[Callable[[str], None]]:
    """Mount a file system in memory on a folder, which needs the rights to do so; yields a function to mount again."""

    def mount(options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)

    mount("size=1m")
    try:
        yield mount
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _wait(run: subprocess.Popen[bytes], seconds: float, condition: Callable[[], bool] = lambda: False) -> None:
    """Wait for some seconds, but not longer than until a condition holds or a run has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition() and run.poll() is None:
        time.sleep(POLL_S)


FAULTS: dict[str, Callable[[Path, Reference, np.random.Generator], Iterator[list[str]]]] = {
    "SIGKILL at random moments of the whole workflow": killed_anywhere,
    "SIGTERM at random moments of a fit": ended_in_fit,
    "a limit on the size of files": without_room,
    "a file system without room": on_a_full_disk,
    "a read-only file system": read_only,
}
"""Name of a disturbance -> function that disturbs a run several times, and yields half-written files after each."""


def disturb(fault: str, run: int, config: Path, reference: Reference) -> dict[str, object]:
    """Disturb a run several times, continue it to its end, and compare its tables with those of the undisturbed run.

    Parameters
    ----------
    fault : a name in `FAULTS`.
    run : number of the run, which is the random seed of the moments.
    config : config of a study in which nothing has run.
    reference : the undisturbed run.

    Returns
    -------
    A row of faults.csv.
    """
    rng = np.random.default_rng((run, list(FAULTS).index(fault)))
    half_written = [len(files) for files in FAULTS[fault](config, reference, rng)]
    finish(config)
    out = config.parent / "out"
    return {
        "fault": fault,
        "run": run,
        "disturbances": len(half_written),
        "half_written": sum(half_written),
        "differing": " ".join(differing(out, reference.tables)),
        "tracebacks": (config.parent / "printed").read_text(encoding="utf-8").count("Traceback (most recent"),
    }


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Summarise the rows of faults.csv: one row for each disturbance."""
    lines = []
    for fault, of_fault in table.groupby("fault", sort=False):
        same = of_fault.loc[of_fault["differing"].isna(), "disturbances"].sum()
        n = of_fault["disturbances"].sum()
        line = {"fault": fault, "disturbances": n, "same": f"{same} of {n}"}
        lines.append(line | {name: of_fault[name].sum() for name in ("half_written", "tracebacks")})
    return pd.DataFrame(lines).rename(columns=COLUMNS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: disturb runs, write their rows and the table."""
    parser = command.parser("faults", __doc__, "files.md and faults.csv")
    parser.add_argument("--faults", nargs="+", choices=list(FAULTS), default=list(FAULTS), help="disturbances to try")
    parser.add_argument("--runs", type=int, default=RUNS, help="runs of each disturbance (default: %(default)s)")
    options = parser.parse_args(arguments)
    out = command.folder(options)
    table = out / "faults.csv"
    done = finished(table, KEYS, options.again)
    missing = [(fault, run) for fault in options.faults for run in range(options.runs) if (fault, run) not in done]
    with command.measuring(), tempfile.TemporaryDirectory() as folder:
        reference = undisturbed(make_study(Path(folder) / "undisturbed")) if missing else None
        for number, (fault, run) in enumerate(missing):
            assert reference is not None
            row = disturb(fault, run, make_study(Path(folder) / str(number)), reference)
            logging.info("%s", row)
            add(table, KEYS, pd.DataFrame([row]), list(FAULTS))
    insert(out / "files.md", "faults", markdown(summary(rows(table, KEYS)).astype(str)))


if __name__ == "__main__":
    main()
