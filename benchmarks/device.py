"""Time of the fit, the verdicts and an inactivation on the CPU and on a GPU, and the largest difference of the results.

`python -m benchmarks.device --out FOLDER` writes device.csv into a folder. The recordings are those of a simulated
network, 100 trials of 200 bins. Both devices take turns in one process; on a machine without a GPU only the CPU is
timed. The estimator `force` is no part of the table, because its loops run on the CPU.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
import xarray as xr

import curbd
from benchmarks import command
from curbd import teachers
from curbd.estimators.fitting import fit
from curbd.inactivation import run_experiments
from curbd.inactivation.tabulate import inactivation_table
from curbd.network.tensors import use_device
from curbd.pathways.judge import judge
from curbd.settings.experiments import ExperimentSettings, Inactivation
from curbd.settings.models import Model
from curbd.storage.whole_files import whole_file

Array = np.ndarray
Device = Literal["cpu", "cuda"]
REGIONS = {300: 6, 600: 8, 1000: 10, 2000: 10}
"""Number of units -> number of regions."""
TRIALS, BINS = 100, 200
LARGEST_VERDICT_UNITS = 600
"""Verdicts of larger recordings are left out: on the CPU they take hours."""


def recording_of(units: int) -> xr.Dataset:
    """A simulated recording with so many units."""
    n_regions = REGIONS[units]
    names = [f"R{index:02d}" for index in range(n_regions)]
    sizes = [len(part) for part in np.array_split(np.arange(units), n_regions)]
    teacher = teachers.multi_region(regions=names, units=sizes, trials=TRIALS, samples=BINS, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "teacher.h5"
        teachers.write_hdf5(teacher, path)
        return curbd.ingest_file(path).recording


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Wall time, s, of a function, and what the function returns."""
    started = time.perf_counter()
    result = run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started, result


def on_device(recording: xr.Dataset, device: Device) -> dict[str, tuple[float, Array]]:
    """Step -> wall time, s, and the numbers that the step gives, on one device."""
    use_device(device)
    model = Model(family="full_rank", estimator="one_step", seeds=[0], tau_s=0.1)
    seconds, (networks, _) = timed(lambda: fit(recording, model))
    steps = {"fit": (seconds, networks["J"].values.ravel())}
    if recording.sizes["unit"] <= LARGEST_VERDICT_UNITS:
        seconds, pathways = timed(lambda: judge(recording, networks, None))
        steps["verdict"] = seconds, pathways["p_value"].to_numpy(dtype=float)
    silence = {"silence": Inactivation(kind="region", region="R00")}
    settings = ExperimentSettings(groups=0, posterior_draws=5)
    seconds, effects = timed(
        lambda: inactivation_table(run_experiments(recording, networks, silence, None, settings=settings), None)
    )
    steps["inactivate"] = seconds, effects["effect_rms"].to_numpy(dtype=float)
    return steps


def compare(units: int) -> pd.DataFrame:
    """One row for each step and device: time, and the largest difference from the CPU over the largest number.

    Parameters
    ----------
    units : number of units.
    """
    recording = recording_of(units)
    devices: list[Device] = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    # The first use of a GPU loads its libraries.
    warm = recording.isel(trial=slice(10))
    for device in devices:
        on_device(warm, device)
    results = {device: on_device(recording, device) for device in devices}
    names = {"cpu": "CPU", "cuda": torch.cuda.get_device_name() if "cuda" in results else ""}
    rows = []
    for device, steps in results.items():
        for step, (seconds, numbers) in steps.items():
            reference = results["cpu"][step][1]
            difference = np.nanmax(np.abs(numbers - reference)) / np.nanmax(np.abs(reference))
            rows.append(
                {
                    "units": units,
                    "regions": REGIONS[units],
                    "samples": TRIALS * BINS,
                    "step": step,
                    "device": device,
                    "card": names[device],
                    "threads": torch.get_num_threads(),
                    "seconds": seconds,
                    "times_faster_than_cpu": results["cpu"][step][0] / seconds,
                    "largest_difference": difference,
                }
            )
    return pd.DataFrame(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure and write the table."""
    parser = command.parser("device", __doc__, "device.csv", again=False)
    parser.add_argument("--units", nargs="+", type=int, default=list(REGIONS), choices=REGIONS, help="numbers of units")
    options = parser.parse_args(arguments)
    tables: list[pd.DataFrame] = []
    try:
        for units in options.units:
            tables.append(compare(units))
            table = pd.concat(tables, ignore_index=True)
            # Written after each size, so that a run that is ended leaves what it has measured.
            with whole_file(command.folder(options) / "device.csv") as temporary:
                table.to_csv(temporary, index=False, float_format="%.5g")
            print(tables[-1].to_string(), flush=True)
    finally:
        use_device("auto")


if __name__ == "__main__":
    main()
