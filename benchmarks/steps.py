"""Time and peak memory of every command of the workflow on one large recording, each in a process of its own.

The kernel tells the processor time and the largest memory of a process that has ended. The memory that the workflow
asks for before a step starts stands beside the memory that the step took.

Steps run one after another. A step uses several threads in the products, factorisations and elementwise functions of
torch (`--threads` of the command) and in the matrix products of NumPy (`OPENBLAS_NUM_THREADS`), and one thread in all
else: reading and writing of files, other NumPy, tables. Processor seconds of several threads include the short times in
which a thread waits for another one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pandas as pd

from benchmarks import command, rows
from benchmarks.document import insert, markdown, number
from benchmarks.scale import TAU_S, Size
from curbd.commands.resources import memory_of_steps
from curbd.settings.plan_reading import read_plan
from curbd.storage.whole_files import whole_file

KEYS = ("units", "regions", "samples", "threads", "step")
"""Columns that identify a row of steps.csv."""
COLUMNS = {
    "units": "units",
    "regions": "regions",
    "samples": "samples",
    "threads": "threads",
    "step": "step",
    "cpu_seconds": "CPU seconds",
    "seconds": "seconds",
    "peak_gb": "peak memory, GB",
    "expected_gb": "memory known before, GB",
}
"""Column of steps.csv -> its heading in the documentation."""
THREADS = 2
SIZE = Size(2000, 10, 500, 200)
SMOKE_SIZE = Size(18, 3, 12, 30)
CONFIG = f"""\
recordings: recordings.tsv
results: results
defaults: {{tau_s: {TAU_S}}}
models:
  full: {{family: full_rank, estimator: one_step, seeds: [0]}}
inactivations:
  silence: {{kind: region, region: R00}}
"""
RECORDINGS = "recording\tpath\tformat\nlarge\tteacher.h5\thdf5\n"
MAIN = "import sys; from curbd.cli import main; sys.exit(main())"
"""Program that is the command `curbd`."""
TEACHER = """
import sys
from benchmarks.scale import Size, written
written(Size.parse(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
"""
"""Program that writes the recording of a teacher: size, seed, path."""


class Used(NamedTuple):
    """What a process used: processor seconds, seconds by the clock, and its largest memory in GB."""

    cpu_seconds: float
    seconds: float
    peak_gb: float


def used_by(program: str, arguments: Sequence[object], threads: int) -> Used:
    """Run a Python program with some arguments in a process of its own.

    Parameters
    ----------
    program : the text of the program.
    arguments : its arguments.
    threads : number of threads of its matrix products.

    Returns
    -------
    What the process used.

    Raises
    ------
    RuntimeError : the program failed.
    """
    environment = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, arguments))}: exit status {process.returncode}")
    # The kernel counts in KiB.
    return Used(usage.ru_utime + usage.ru_stime, time.perf_counter() - started, usage.ru_maxrss * 1024 / 1e9)


def steps_of(folder: Path, threads: int) -> dict[str, list[object]]:
    """Arguments of every command, by its name, for files in a folder."""
    network = [
        *("--recording", folder / "recording.nc", "--network", folder / "network.nc"),
        *("--threads", threads, "--device", "cpu"),
    ]
    plan = ["--plan", folder / "plan.json"]
    return {
        "ingest": [
            *("--name", "large", "--path", folder / "teacher.h5", "--format", "hdf5", *plan),
            *("--out", folder / "recording.nc"),
        ],
        "experiments": ["--recording", folder / "recording.nc", *plan, "--out", folder / "experiments.json"],
        "fit": [
            *("--recording", folder / "recording.nc", "--name", "full", *plan, "--out", folder / "network.nc"),
            *("--fits", folder / "fits.csv", "--region-scores", folder / "region_scores.csv"),
            *("--unit-scores", folder / "unit_scores.csv", "--threads", threads, "--device", "cpu"),
        ],
        "currents": [
            *network,
            *("--out", folder / "currents.nc", "--table", folder / "currents.parquet"),
            *("--pathways", folder / "pathways.csv", "--nulls", folder / "nulls.csv"),
        ],
        "inactivate": [
            *network,
            *("--experiments", folder / "experiments.json", "--pathways", folder / "pathways.csv"),
            *("--out", folder / "inactivations.csv", "--units", folder / "inactivation_units.parquet"),
        ],
    }


def measure(folder: Path, size: Size, seed: int, threads: int, chosen: Sequence[str]) -> pd.DataFrame:
    """One row per command: processor seconds, seconds, peak memory, and the memory known before.

    Parameters
    ----------
    folder : folder of all files; a teacher that is already there is used again.
    size : size of the recording.
    seed : of the teacher.
    threads : number of threads of every command.
    chosen : names of the commands; none for all.
    """
    if not (folder / "teacher.h5").exists():
        used_by(TEACHER, ["x".join(map(str, size)), seed, folder / "teacher.h5"], threads)
    (folder / "recordings.tsv").write_text(RECORDINGS)
    (folder / "config.yaml").write_text(CONFIG)
    with whole_file(folder / "plan.json") as temporary:
        temporary.write_text(read_plan(folder / "config.yaml").to_json() + "\n", encoding="utf-8")
    measured = []
    for name, arguments in steps_of(folder, threads).items():
        if chosen and name not in chosen:
            continue
        expected_gb = float("nan")
        if name in ("fit", "currents", "inactivate"):
            expected_gb = memory_of_steps(folder / "recording.nc", n_seeds=1, reads_once=True) / 1e3
        used = used_by(MAIN, [name, *arguments], threads)
        print(name, used, expected_gb, flush=True)
        measured.append({"step": name, **used._asdict(), "expected_gb": expected_gb})
    table = pd.DataFrame(measured).assign(
        units=size.units, regions=size.regions, samples=size.trials * size.bins, threads=threads
    )
    total = table[["cpu_seconds", "seconds"]].sum() / 60
    print(f"all: {total['cpu_seconds']:.1f} processor minutes, {total['seconds']:.1f} minutes", flush=True)
    return table[list(COLUMNS)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure and write the table."""
    parser = command.parser("steps", __doc__, "scale.md and scale/", seeds=[200], again=False)
    parser.add_argument(
        "--size", type=Size.parse, default=SIZE, help="the recording: units x regions x trials x bins of a trial"
    )
    parser.add_argument("--threads", type=int, default=THREADS, help="number of threads of every command")
    parser.add_argument("--steps", nargs="+", default=[], help="commands that run (default: all)")
    parser.add_argument("--folder", type=Path, help="folder in which the files stay (default: a temporary one)")
    parser.add_argument("--smoke", action="store_true", help="a tiny recording")
    options = parser.parse_args(arguments)
    out, size = command.folder(options), SMOKE_SIZE if options.smoke else options.size
    table = out / "scale" / "steps.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) if options.folder is None else options.folder
        folder.mkdir(parents=True, exist_ok=True)
        new = measure(folder, size, options.seeds[0], options.threads, options.steps)
    rows.add(table, KEYS, new, order=sorted({*rows.rows(table, KEYS)["units"], *new["units"]}))
    shown = rows.rows(table, KEYS).rename(columns=COLUMNS).astype(object)
    text = shown.map(lambda value: number(value) if isinstance(value, float) else str(value))
    insert(out / "scale.md", "steps", markdown(text))


if __name__ == "__main__":
    main()
