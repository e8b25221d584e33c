"""What a plain HDF5 file states about each unit: its id, region label, cell type, position and other columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

from curbd.errors import UserError
from curbd.recording.cell_types import cell_type
from curbd.recording.coded_columns import code_names, decoded
from curbd.recording.hdf5_columns import (
    cells_of,
    dataset_at,
    datasets,
    is_character_matrix,
    is_column,
    rows_of_characters,
    texts,
)
from curbd.recording.label_origin import label_origin
from curbd.recording.labels import LabelReader
from curbd.recording.rejected_rois import rejections
from curbd.recording.units import UnitFacts, text_columns
from curbd.recording.unreadable import UnreadableError, reading
from curbd.settings.recording import HDF5Layout, RecordingSettings


def unit_facts(
    file: h5py.File, settings: RecordingSettings, rates: h5py.Dataset, dims: Sequence[str], where: str
) -> UnitFacts:
    """Collect what the file states about its units.

    Parameters
    ----------
    file : the opened file.
    settings : names of the datasets (`settings.hdf5`), and the choice of region labels.
    rates : the dataset of the activity.
    dims : name of each axis of this dataset: ``trial``, ``time`` or ``unit``.
    where : the recording, for messages.

    Returns
    -------
    The facts about all units.

    Raises
    ------
    UserError : a dataset is not one value, or one position, for each unit; or the region labels are a group.
    """
    layout, n_units = settings.hdf5, rates.shape[dims.index("unit")]
    _require_dataset(file, layout.region, where)
    ids, region, types = (
        _column(file, name, layout, rates, dims, where) for name in (layout.unit_id, layout.region, layout.cell_type)
    )
    columns, column_notes = _all_columns(file, n_units)
    read = LabelReader(settings.regions)
    candidates = text_columns("", columns, [name for name in (layout.region, layout.unit_id, layout.cell_type) if name])
    by_name = {name.rsplit("/", 1)[-1]: cells for name, cells in columns.items()}
    reasons, rejection_notes = rejections(by_name, n_units, "hdf5")
    return UnitFacts(
        ids=ids or [str(unit) for unit in range(n_units)],
        origins=[] if region is None else [label_origin("unit_column", f"hdf5:{layout.region}", region, read)],
        cell_type=[] if types is None else [cell_type(value) for value in types],
        xyz=_positions(file, layout, n_units, where),
        columns=columns,
        candidates={f"hdf5:{name.lstrip('.')}": cells for name, cells in candidates.items()},
        reason=reasons,
        notes=[*column_notes, *rejection_notes, *read.notes],
    )


def _require_dataset(file: h5py.File, region: str, where: str) -> None:
    """Stop if the name of the region labels is that of a group."""
    labels = file.get(region)
    if isinstance(labels, h5py.Group):
        members = ", ".join(f"{region}/{name}" for name in labels)
        raise UserError.at(
            f"{where}: hdf5.region", found=f"the group {region!r}", expected=f"a dataset (one of {members})"
        )


def _column(
    file: h5py.File, name: str | None, layout: HDF5Layout, rates: h5py.Dataset, dims: Sequence[str], where: str
) -> list[str] | None:
    """The cells (unit,) of a dataset as strings; None if the file does not hold the dataset."""
    dataset, n_units = dataset_at(file, name), rates.shape[dims.index("unit")]
    if dataset is None:
        return None
    if is_character_matrix(dataset) and n_units in dataset.shape:
        return rows_of_characters(dataset, n_units)
    if dataset.size != n_units:
        todo = f"check the axis order: {layout.rates} has the shape {rates.shape} and is read as ({', '.join(dims)})"
        if dataset.size in rates.shape:
            todo += "; if the axes are in another order, give it under hdf5.dims"
        raise UserError.at(
            f"{where}: {name}",
            found=f"{dataset.size} values",
            expected=f"{n_units}, one value for each unit of {layout.rates}",
            todo=todo,
        )
    names = code_names(dataset)
    return decoded(dataset[...], names) if names else texts(dataset)


def _all_columns(file: h5py.File, n_units: int) -> tuple[dict[str, list[Any]], list[str]]:
    """Name -> (unit,) cells of every dataset with a cell for each unit; sentences on datasets that cannot be read."""
    columns: dict[str, list[Any]] = {}
    notes: list[str] = []
    for name, dataset in datasets(file).items():
        if is_column(dataset, n_units) and dataset.dtype.kind in "biufOSU" and not name.startswith("truth/"):
            try:
                columns[name] = cells_of(dataset)
            except UnreadableError as error:
                notes.append(f"Left out: {error}")
    return columns, notes


def _positions(file: h5py.File, layout: HDF5Layout, n_units: int, where: str) -> np.ndarray:
    """(unit, 3) positions; (0, 3) if the file holds none."""
    xyz = dataset_at(file, layout.position)
    if xyz is None:
        return np.empty((0, 3))
    if xyz.shape != (n_units, 3):
        raise UserError.at(
            f"{where}: {layout.position}",
            found=f"shape {xyz.shape}",
            expected=f"({n_units}, 3), one position for each unit",
        )
    with reading(where, str(layout.position)):
        return np.asarray(xyz[...], float)
