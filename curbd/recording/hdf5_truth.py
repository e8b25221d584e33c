"""What a plain HDF5 file of a teacher holds for scoring: the network, or the currents, behind the recording."""

from __future__ import annotations

import h5py
import numpy as np

from curbd.errors import UserError
from curbd.recording.cells import as_text
from curbd.recording.recording_file import TrueCurrents, Truth


def true_currents_of(file: h5py.File, rates_shape: tuple[int, ...], where: str) -> TrueCurrents | None:
    """Read the currents of a teacher of populations, from the datasets truth/current and truth/source.

    Parameters
    ----------
    file : the opened file.
    rates_shape : shape of the activity, (trial, time, unit).
    where : the recording, for messages.

    Returns
    -------
    The currents; None for any other recording.

    Raises
    ------
    UserError : truth/current is not (source, trial, time, unit).
    """
    group = file.get("truth")
    if not isinstance(group, h5py.Group) or not {"current", "source"} <= set(group):
        return None
    source = tuple(as_text(name) for name in group["source"][...])
    value = np.asarray(group["current"][...], float)
    if value.shape != (expected := (len(source), *rates_shape)):
        raise UserError.at(
            f"{where}: truth/current",
            found=f"shape {value.shape}",
            expected=f"{expected} (source, trial, time, unit)",
            todo="write the rates as (trial, time, unit), and one current per source named in truth/source",
        )
    return TrueCurrents(source=source, value=np.moveaxis(value, 0, 2))


def truth_of(file: h5py.File, rates_shape: tuple[int, ...], n_inputs: int, where: str) -> Truth | None:
    """Read the network behind the recording of a teacher from the group truth; None for any other recording.

    Parameters
    ----------
    file : the opened file.
    rates_shape : shape of the activity, (trial, time, unit) or (time, unit).
    n_inputs : number of inputs.
    where : the recording, for messages.

    Returns
    -------
    The network.

    Raises
    ------
    UserError : an array has another shape than the activity implies, or the time constant or the bin width is missing.
    """
    n_units = rates_shape[-1]
    group = file.get("truth")
    if not isinstance(group, h5py.Group) or "J" not in group:
        return None

    def values(name: str, shape: tuple[int, ...]) -> np.ndarray:
        if name not in group:
            return np.zeros(shape)
        array = np.asarray(group[name][...], float)
        if array.shape != shape:
            raise UserError.at(f"{where}: truth/{name}", found=f"shape {array.shape}", expected=f"{shape}")
        return array

    missing = [name for name in ("tau_s", "dt_s") if name not in group.attrs]
    if missing:
        raise UserError.at(
            f"{where}: truth",
            found=f"missing attributes: {', '.join(missing)}",
            expected="the attributes tau_s and dt_s, in seconds",
        )
    return Truth(
        J=values("J", (n_units, n_units)),
        B=values("B", (n_units, n_inputs)),
        b=values("b", (n_units,)),
        tau_s=float(group.attrs["tau_s"]),
        dt_s=float(group.attrs["dt_s"]),
        substeps=int(group.attrs.get("substeps", 1)),
        drive=values("drive", rates_shape) if "drive" in group else None,
        adaptation=values("adaptation", (n_units,)) if "adaptation" in group else None,
        adaptation_tau_s=float(group.attrs.get("adaptation_tau_s", 0.0)),
        unit_tau_s=values("unit_tau_s", (n_units,)) if "unit_tau_s" in group else None,
    )
