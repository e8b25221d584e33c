"""Teachers written as recording files: plain HDF5 with what is true, or NWB without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from curbd.errors import UserError
from curbd.storage.hdf5 import whole_hdf5
from curbd.teachers.coupled_oscillators import FieldTeacher
from curbd.teachers.populations import PopulationTeacher
from curbd.teachers.teacher import Teacher


def write_hdf5(teacher: Teacher, path: Path | str) -> None:
    """Write a teacher in the plain HDF5 layout, with the true network under ``/truth``."""
    with whole_hdf5(path) as file:
        file.attrs["activity"] = "model"
        file.attrs["nonlinearity"] = teacher.network.nonlinearity.name
        file.create_dataset("rates", data=teacher.rates, compression="gzip", compression_opts=1, track_times=False)
        file["time"] = teacher.time_s
        file["region"] = [str(label) for label in teacher.region]
        file["unit_id"] = _unit_ids(teacher)
        if teacher.cell_type:
            file["cell_type"] = list(teacher.cell_type)
        if teacher.position:
            file["position"] = np.array(teacher.position)
        if teacher.input_name:
            file["inputs"] = teacher.inputs
            file["input_name"] = teacher.input_name
        for column in teacher.trials:
            file[f"trial/{column}"] = teacher.trials[column].tolist()
        truth = file.create_group("truth")
        truth["J"], truth["B"], truth["b"] = teacher.network.J, teacher.network.B, teacher.network.b
        if teacher.drive.any():
            truth.create_dataset("drive", data=teacher.drive, compression="gzip", compression_opts=1, track_times=False)
        adaptation = teacher.network.adaptation
        if adaptation is not None:
            truth["adaptation"], truth.attrs["adaptation_tau_s"] = adaptation.strength, adaptation.tau_s
        if teacher.network.unit_tau_s is not None:
            truth["unit_tau_s"] = teacher.network.unit_tau_s
        truth.attrs["tau_s"], truth.attrs["dt_s"] = teacher.network.tau_s, teacher.network.dt_s
        truth.attrs["substeps"] = teacher.network.substeps


def write_populations(teacher: PopulationTeacher, path: Path | str) -> None:
    """Write a teacher of populations in the plain HDF5 layout, with its true currents under ``/truth``.

    Regions are named A, B, C and so on. True currents are in units of the log rate of the unit that receives them.

    Parameters
    ----------
    teacher : spike counts, inputs and currents.
    path : path of the file to write.

    Raises
    ------
    UserError : the suffix of the path is ``.nwb``.
    """
    _refuse_nwb(path, "true currents")
    names = [chr(ord("A") + index) for index in range(len(teacher.current))]
    with whole_hdf5(path) as file:
        counts = teacher.activity.astype(np.int16)
        file.create_dataset("rates", data=counts, compression="gzip", compression_opts=1, track_times=False)
        file["time"] = np.arange(counts.shape[1]) * teacher.bin_s
        file["region"] = [names[index] for index in teacher.region]
        file["inputs"], file["input_name"] = teacher.inputs, ["step"]
        file["trial/condition"] = teacher.condition
        truth = file.create_group("truth")
        current = (teacher.current * teacher.gain).astype(np.float32)
        truth.create_dataset("current", data=current, compression="gzip", compression_opts=1, track_times=False)
        truth["source"] = names


def write_fields(teacher: FieldTeacher, path: Path | str) -> None:
    """Write a teacher of fields in the plain HDF5 layout, with its true oscillators under ``/truth_oscillators``.

    A teacher of a single trial is written as a continuous recording, without an axis of trials.

    Parameters
    ----------
    teacher : fields and oscillators.
    path : path of the file to write.

    Raises
    ------
    UserError : the suffix of the path is ``.nwb``.
    """
    _refuse_nwb(path, "true oscillators")
    fields = teacher.fields[0] if len(teacher.fields) == 1 else teacher.fields
    with whole_hdf5(path) as file:
        file["rates"] = fields.astype(np.float32)
        file["time"] = np.arange(fields.shape[-2]) * teacher.oscillators.dt_s
        file["region"] = [str(label) for label in teacher.region]
        truth = file.create_group("truth_oscillators")
        oscillators = teacher.oscillators
        truth["omega"], truth["gamma"], truth["K"] = oscillators.omega, oscillators.gamma, oscillators.K
        truth.attrs["saturation"] = oscillators.saturation


def _refuse_nwb(path: Path | str, truth: str) -> None:
    """Raise an error if a teacher whose truth has no place in an NWB file is to become one."""
    if Path(path).suffix == ".nwb":
        raise UserError.at(
            str(path),
            found="a path with the suffix .nwb",
            expected=f"a path of an HDF5 file, because an NWB file has no place for {truth}",
            todo="write to a path that ends in .h5",
        )


def _unit_ids(teacher: Teacher) -> list[str]:
    counts = pd.Series(teacher.region).groupby(teacher.region).cumcount()
    return [f"{label}{count + 1}" for label, count in zip(teacher.region, counts, strict=True)]


def write_nwb(teacher: Teacher, path: Path | str, *, peak_rate_hz: float | None = None, seed: int = 0) -> None:
    """Write the recording of a teacher as an NWB file, with trials one second apart and a table of trials.

    Parameters
    ----------
    teacher : the recording and its network, which is not written.
    path : path of the file to write.
    peak_rate_hz : None writes the rates as responses of regions of interest (ROI), with one imaging plane for each
        region. A number writes Poisson spikes of rate peak_rate_hz (1 + r) / 2, with electrodes in the regions.
    seed : seed for the spikes.
    """
    from pynwb import NWBHDF5IO

    from curbd.teachers.nwb import nwb_file

    with whole_hdf5(path) as file:
        # Closing the NWB file would close the HDF5 file, which is still to be written.
        NWBHDF5IO(file=file, mode="w").write(
            nwb_file(teacher, _unit_ids(teacher), peak_rate_hz, np.random.default_rng(seed))
        )
