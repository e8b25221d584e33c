"""What is known about the circuit of a recording: signs of units, distances, densities and pairs of units."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.errors import UserError
from curbd.recording.cell_types import CELL_TYPES
from curbd.recording.region_tables import read_tsv
from curbd.settings.constraints import Constraints

Array = np.ndarray
SIGN_OF_TYPE = {"excitatory": 1, "inhibitory": -1, "unknown": 0}
LEAST_PENALTY_FACTOR = 0.05
"""Smallest multiplier of a penalty, so that weights of a unit onto itself, at distance 0, are penalised too."""
UNLISTED_PENALTY_FACTOR = 10.0
"""Multiplier of the penalty of pairs of units that a table of connected pairs does not list."""
MAX_COINCIDING_SHARE = 0.2
"""Positions are not in one frame if a larger share of units lies exactly where a unit of another region lies."""
CIRCUIT_COLUMNS = ("unit_id", "region", "cell_type", "x", "y", "z")


class Density(NamedTuple):
    """A block of weights of which a given share is not zero.

    Attributes
    ----------
    target, source : names of the regions, followed by the cell type if the block is about one type.
    block : (unit, unit) bool, the weights (target, source) of the block.
    share : share of these weights that are not zero.
    """

    target: str
    source: str
    block: Array
    share: float


class Circuit(NamedTuple):
    """Constraints on the weights J (target, source) between the units of a recording.

    Attributes
    ----------
    sign : (unit,) sign of the outgoing weights of a unit: 1, -1, or 0 for a unit without a known sign.
    same_region : (unit, unit) bool, True for two units of the same region.
    local_inhibition : whether units of sign -1 have no weights onto units of other regions.
    penalty_factor : (unit, unit) multiplier of the penalty on each weight; infinite for a weight that is absent.
    distance : (unit, unit) distances, 0 for a unit and itself; None if the penalty does not depend on distance.
    distance_factor : (unit, unit) what the distances contribute to ``penalty_factor``; None as ``distance``.
    communicability : whether the penalty is also multiplied by the communicability of the two units.
    densities : blocks with a given density.
    n_shuffles : number of control fits with shuffled signs.
    n_displaced : number of control fits with shuffled positions.
    """

    sign: Array
    same_region: Array
    local_inhibition: bool
    penalty_factor: Array
    distance: Array | None
    distance_factor: Array | None
    communicability: bool
    densities: tuple[Density, ...]
    n_shuffles: int
    n_displaced: int

    def displaced(self, order: Array) -> Circuit:
        """Give every unit the position of another unit, by index (unit,)."""
        if self.distance_factor is None:
            raise ValueError("a circuit without distances has no positions")
        factor = self.distance_factor[np.ix_(order, order)]
        return self._replace(
            penalty_factor=self.penalty_factor / self.distance_factor * factor,
            distance=None if self.distance is None else self.distance[np.ix_(order, order)],
            distance_factor=factor,
        )


def circuit_of(recording: xr.Dataset, constraints: Constraints) -> Circuit:
    """Construct the constraints on the weights between the units of a recording.

    Parameters
    ----------
    recording : the recording of a session, with region, cell type and position of every unit.
    constraints : which constraints hold.

    Returns
    -------
    The constraints in arrays.

    Raises
    ------
    UserError : see `circuit_of_units`.
    """
    units = pd.DataFrame({name: recording[name].values for name in CIRCUIT_COLUMNS})
    return circuit_of_units(units, constraints, f"recording {recording.attrs['recording']}")


def circuit_of_units(units: pd.DataFrame, constraints: Constraints, where: str) -> Circuit:
    """Construct the constraints on the weights between units.

    Parameters
    ----------
    units : table of units with the columns `CIRCUIT_COLUMNS`.
    constraints : which constraints hold.
    where : the recording, for messages.

    Returns
    -------
    The constraints in arrays.

    Raises
    ------
    UserError : signs are asked for and no cell type is known; distances are asked for and positions are unknown or not
        in one frame; or a table cannot be read, contradicts itself, or says nothing about these units.
    """
    region = units["region"].to_numpy(str)
    sign = np.zeros(len(units), dtype=int)
    if constraints.signs:
        sign = units["cell_type"].map(SIGN_OF_TYPE).to_numpy(int)
        if not sign.any():
            raise UserError.at(
                f"{where}, constraints.signs",
                found="no unit with a known cell type",
                expected="excitatory or inhibitory units",
                todo="name a column, a table or inhibitory regions under cell_types",
            )
    factor, distance, of_distance = np.ones((len(units), len(units))), None, None
    if constraints.distance:
        distance = distances(units[["x", "y", "z"]].to_numpy(float), region, where)
        mean = distance[~np.eye(len(units), dtype=bool)].mean()
        of_distance = np.maximum((distance / mean) ** constraints.distance, LEAST_PENALTY_FACTOR)
        factor = of_distance.copy()
    if constraints.pairs is not None:
        unlisted = unlisted_pairs(constraints.pairs, units["unit_id"].to_numpy(str), f"{where}, constraints.pairs")
        factor[unlisted] *= np.inf if constraints.unlisted_pairs == "absent" else UNLISTED_PENALTY_FACTOR
    return Circuit(
        sign=sign,
        same_region=region[:, None] == region[None],
        local_inhibition=constraints.local_inhibition,
        penalty_factor=factor,
        distance=distance,
        distance_factor=of_distance,
        communicability=constraints.communicability,
        densities=() if constraints.density is None else _densities(constraints.density, units, where),
        n_shuffles=constraints.shuffles if constraints.signs else 0,
        n_displaced=constraints.shuffles if constraints.distance else 0,
    )


def distances(xyz: Array, region: Array, where: str) -> Array:
    """Compute the distances between units; distances to units without a position are the mean distance.

    Parameters
    ----------
    xyz : (unit, 3) positions in one frame, NaN where unknown.
    region : (unit,) region labels.
    where : the recording, for messages.

    Returns
    -------
    (unit, unit) distances, in the unit of length of the positions; 0 for a unit and itself.

    Raises
    ------
    UserError : fewer than two units have a position, all have the same, or positions are not in one frame: many units
        lie exactly where a unit of another region lies.
    """
    known = np.isfinite(xyz).all(1)
    apart = np.linalg.norm(xyz[known][:, None] - xyz[known][None], axis=2)
    if not apart.any():
        raise UserError.at(
            f"{where}, constraints.distance",
            found=f"{known.sum()} of {len(xyz)} units with a position, at no distance from one another",
            expected="units at different positions",
            todo="set distance: 0, or add positions to the file",
        )
    coincide = (apart == 0) & (region[known][:, None] != region[known][None])
    if coincide.any(1).mean() > MAX_COINCIDING_SHARE:
        raise UserError.at(
            f"{where}, constraints.distance",
            found=f"{coincide.any(1).sum()} of {known.sum()} units exactly at the position of a unit of another region",
            expected="positions of all units in one frame",
            todo="add positions in a common frame to the file, or set distance: 0",
        )
    n = int(known.sum())
    D = np.full((len(xyz), len(xyz)), apart.sum() / (n * (n - 1)))
    D[np.ix_(known, known)] = apart
    np.fill_diagonal(D, 0.0)
    return D


def unlisted_pairs(path: str, unit_id: Array, where: str) -> Array:
    """Find the pairs of units that both occur in a table of connected pairs, but not as a pair; not a unit and itself.

    Parameters
    ----------
    path : path of a TSV with the columns ``target`` and ``source`` (unit ids).
    unit_id : (unit,) names of the units.
    where : the recording and the setting, for messages; the setting follows the last comma.

    Returns
    -------
    (target, source) bool.

    Raises
    ------
    UserError : the table cannot be read, or names none of the units.
    """
    setting = where.rpartition(", ")[2]
    table = read_tsv(path, setting, "target and source")
    _require_columns(table, ("target", "source"), setting, path)
    position = {unit: index for index, unit in enumerate(unit_id)}
    listed = np.zeros((len(unit_id), len(unit_id)), dtype=bool)
    named = np.isin(unit_id, table[["target", "source"]].to_numpy(str))
    if not named.any():
        raise UserError.at(
            where,
            found=f"{path}, which names no unit of the recording",
            expected=f"unit ids such as {', '.join(unit_id[:3])}",
        )
    for target, source in table[["target", "source"]].to_numpy(str):
        if target in position and source in position:
            listed[position[target], position[source]] = True
    np.fill_diagonal(listed, True)
    return ~listed & named[:, None] & named[None]


def _densities(path: str, units: pd.DataFrame, where: str) -> tuple[Density, ...]:
    """The blocks of a table of densities; rows about regions or cell types that the recording lacks are left out."""
    setting = "constraints.density"
    table = read_tsv(path, setting, "target, source and density")
    _require_columns(table, ("target", "source", "density"), setting, path)
    blocks: list[Density] = []
    taken = np.zeros((len(units), len(units)), dtype=bool)
    for line, row in enumerate(table.to_dict("records"), start=2):
        place = f"{path}, line {line}"
        share = pd.to_numeric(row["density"], errors="coerce")
        if not 0 < share <= 1:
            raise UserError.at(place, found=f'"{row["density"]}"', expected="a density above 0, at most 1")
        members = []
        for side in ("target", "source"):
            kind = row.get(f"{side}_type", "")
            if kind and kind not in CELL_TYPES:
                raise UserError.at(place, found=f'"{kind}"', expected=", ".join(CELL_TYPES))
            chosen = (units["region"] == row[side]) & ((units["cell_type"] == kind) if kind else True)
            members.append((f"{row[side]} {kind}".strip(), chosen.to_numpy(bool)))
        (target, targets), (source, sources) = members
        block = targets[:, None] & sources[None]
        if (block & taken).any():
            raise UserError.at(
                place, found=f"{source} -> {target}, of which another line also gives a density", expected="one density"
            )
        taken |= block
        if block.any():
            blocks.append(Density(target, source, block, float(share)))
    if not blocks:
        raise UserError.at(
            f"{where}, {setting}",
            found=f"{path}, which names no pair of regions of the recording",
            expected=f"regions such as {', '.join(sorted(set(units['region'])))}",
        )
    return tuple(blocks)


def _require_columns(table: pd.DataFrame, columns: tuple[str, ...], setting: str, path: str) -> None:
    missing = [column for column in columns if column not in table]
    if missing:
        raise UserError.at(
            setting,
            found=f"{path} without the column {', '.join(missing)}",
            expected=f"the columns {', '.join(columns)}",
        )
