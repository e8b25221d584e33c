"""The network that several animals share, from their recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from curbd.animals.hierarchy import AnimalMoments, Hierarchy, solve_hierarchy
from curbd.animals.missing_units import expected_units, shared_covariance
from curbd.errors import UserError
from curbd.network.equation import decay
from curbd.recording.circuit import UNLISTED_PENALTY_FACTOR, unlisted_pairs
from curbd.recording.scaling import scaled_rates
from curbd.regression.time_constant import estimate_tau
from curbd.regression.transitions import TrainingData, Transitions, targets, transitions
from curbd.storage import RESULTS_VERSION

Array = np.ndarray


class AllUnits(NamedTuple):
    """The units and inputs of all animals.

    Attributes
    ----------
    unit_id, region : (unit,) labels of the units, sorted by region.
    regions : names of the regions.
    inputs : names of the inputs.
    """

    unit_id: Array
    region: Array
    regions: Array
    inputs: Array

    @property
    def region_index(self) -> Array:
        """(unit,) index of the region of every unit."""
        return np.searchsorted(self.regions, self.region)

    @property
    def source(self) -> Array:
        """(regressor,) index of the source of every regressor: regions, then inputs."""
        return np.concatenate([self.region_index, len(self.regions) + np.arange(len(self.inputs))])


class _Standardised(NamedTuple):
    """Transitions of one animal: regressors [r, u] with mean 0 and variance 1, and currents in the same units."""

    z: Array
    y: Array
    recorded: Array
    mean: Array
    sd: Array


def shared_network(recordings: Mapping[str, xr.Dataset], synapses: str | None = None) -> xr.Dataset:
    """Fit one network to several animals: weights that all animals share, and the deviations of every animal.

    Units of different animals are the same unit if their ``unit_id`` is the same. Activity is standardised in every
    animal (mean 0, variance 1), so that brightness and gain of a recording do not matter, and weights are those between
    standardised units. A unit that was not recorded in an animal is replaced by what is expected of the unit given the
    recorded ones. Only training trials are used.

    Parameters
    ----------
    recordings : name of an animal -> its recording, as `curbd.ingest_file` returns it.
    synapses : path of a TSV with the columns ``target`` and ``source``, pairs of units that are known to be connected.
        Weights between two units that both occur in the table, but not as a pair, have ten times the penalty. None if
        nothing is known.

    Returns
    -------
    The shared weights J (target, source) and B (target, input) with their standard deviations J_sd, the deviations
    (animal, target, source) of every animal, NaN for targets that were not recorded, the residual variance and the
    standard deviation and mean of every unit in every animal (animal, target), NaN for units that were not recorded,
    the penalties (region, source_name) and the time constant tau_s, s.

    Raises
    ------
    UserError : there are fewer than two recordings, a unit has different regions in different animals, or bins differ.
    """
    union = _union(recordings)
    standardised, tau_s = _animals(recordings, union)
    covariance = shared_covariance(
        [animal.z.T @ animal.z for animal in standardised],
        [len(animal.z) for animal in standardised],
        np.array([animal.recorded for animal in standardised]),
    )
    moments = [_moments(animal, covariance, len(union.unit_id)) for animal in standardised]
    factor = None if synapses is None else _factors(union, synapses)
    solved = solve_hierarchy(moments, union.region_index, union.source, factor)
    return _dataset(list(recordings), union, standardised, solved, tau_s)


def _union(recordings: Mapping[str, xr.Dataset]) -> AllUnits:
    if len(recordings) < 2:
        raise UserError.at("animals", found=f"{len(recordings)} recordings", expected="at least two animals")
    region_of: dict[str, str] = {}
    for name, recording in recordings.items():
        labels = zip(recording["unit_id"].values.astype(str), recording["region"].values.astype(str), strict=True)
        for unit, region in labels:
            if region_of.setdefault(unit, region) != region:
                raise UserError.at(
                    f"recording {name}, unit {unit}",
                    found=f"region {region}, and {region_of[unit]} in an earlier recording",
                    expected="the same region in all animals",
                    todo="give the units of different regions different names, or set regions.mapping",
                )
    steps = {round(float(recording.attrs["dt_s"]), 9) for recording in recordings.values()}
    if len(steps) > 1:
        raise UserError.at(
            "animals",
            found=f"bins of {', '.join(f'{step:g} s' for step in sorted(steps))}",
            expected="the same bin width in all animals",
            todo="set bin_width_s",
        )
    units = sorted(region_of, key=lambda unit: (region_of[unit], unit))
    inputs = sorted({str(name) for recording in recordings.values() for name in recording["input"].values})
    regions = np.array([region_of[unit] for unit in units])
    return AllUnits(np.array(units), regions, np.unique(regions), np.array(inputs, dtype=str))


def _animals(recordings: Mapping[str, xr.Dataset], union: AllUnits) -> tuple[list[_Standardised], float]:
    """Standardised transitions of every animal, and the time constant: the median over animals."""
    prepared = [(recording, _training(recording)) for recording in recordings.values()]
    pairs = [transitions(data) for _, data in prepared]
    for name, of_animal in zip(recordings, pairs, strict=True):
        if not len(of_animal.x):
            raise UserError.at(
                f"recording {name}",
                found="no two consecutive training bins in which every unit was observed",
                expected="trials or blocks with several consecutive bins in which every unit was observed",
            )
    estimates = [estimate_tau(data, of_animal) for (_, data), of_animal in zip(prepared, pairs, strict=True)]
    tau_s = float(np.median(np.array(estimates)))
    standardised = [
        _standardised(recording, of_animal, union, tau_s)
        for (recording, _), of_animal in zip(prepared, pairs, strict=True)
    ]
    return standardised, tau_s


def _training(recording: xr.Dataset) -> TrainingData:
    """The training trials of a recording, as tanh units with one Euler step in a bin."""
    regions, region = np.unique(recording["region"].values.astype(str), return_inverse=True)
    data = TrainingData(
        r=scaled_rates(recording, "tanh").values,
        u=recording["inputs"].transpose("trial", "time", "input").values,
        region=region,
        n_regions=len(regions),
        trial=np.arange(recording.sizes["trial"]),
        dt_s=float(recording.attrs["dt_s"]),
        substeps=1,
        tau_s=None,
    )
    return data.of_trials(recording["split"].values == "train")


def _standardised(recording: xr.Dataset, pairs: Transitions, union: AllUnits, tau_s: float) -> _Standardised:
    """Transitions of one animal, with the recorded units and inputs in the order of the union."""
    of_animal = [*recording["unit_id"].values.astype(str), *recording["input"].values.astype(str)]
    everything = [*union.unit_id, *union.inputs]
    recorded = np.isin(everything, of_animal)
    order = [of_animal.index(name) for name in np.array(everything)[recorded]]
    raw = np.concatenate([pairs.r, pairs.u], axis=1)[:, order]
    mean, sd = raw.mean(0), raw.std(0)
    sd = np.where(sd > 0, sd, 1.0)
    n_units = int(recorded[: len(union.unit_id)].sum())
    left = decay(float(recording.attrs["dt_s"]), tau_s, 1)
    y = targets(pairs, left)[:, order[:n_units]]
    return _Standardised((raw - mean) / sd, (y - y.mean(0)) / sd[:n_units], recorded, mean, sd)


def _moments(animal: _Standardised, covariance: Array, n_units: int) -> AnimalMoments:
    expected = expected_units(covariance, animal.recorded)
    recorded = animal.recorded[:n_units]
    YZ, YY = np.zeros((n_units, len(covariance))), np.zeros(n_units)
    YZ[recorded] = animal.y.T @ animal.z @ expected.of_recorded
    YY[recorded] = (animal.y**2).sum(0)
    return AnimalMoments(
        ZZ=expected.of_recorded.T @ (animal.z.T @ animal.z) @ expected.of_recorded,
        YZ=YZ,
        YY=YY,
        n=float(len(animal.z)),
        recorded=recorded,
        uncertainty=expected.uncertainty,
    )


def _factors(union: AllUnits, synapses: str) -> Array:
    """(unit, regressor) factors of the penalties."""
    n = len(union.unit_id)
    factor = np.ones((n, n + len(union.inputs)))
    factor[:, :n][unlisted_pairs(synapses, union.unit_id, "shared, synapses")] = UNLISTED_PENALTY_FACTOR
    return factor


def _dataset(
    names: Sequence[str], union: AllUnits, animals: Sequence[_Standardised], solved: Hierarchy, tau_s: float
) -> xr.Dataset:
    n = len(union.unit_id)
    recorded = np.array([animal.recorded[:n] for animal in animals])
    mean, sd = np.full((len(names), n), np.nan), np.full((len(names), n), np.nan)
    for index, animal in enumerate(animals):
        count = int(recorded[index].sum())
        mean[index, recorded[index]], sd[index, recorded[index]] = animal.mean[:count], animal.sd[:count]
    own = np.where(recorded[:, :, None], solved.deviation, np.nan)
    return xr.Dataset(
        {
            "J": (("target", "source"), solved.shared[:, :n]),
            "J_sd": (("target", "source"), solved.shared_sd[:, :n]),
            "B": (("target", "input"), solved.shared[:, n:]),
            "deviation": (("animal", "target", "source"), own[:, :, :n]),
            "noise_variance": (("target",), solved.noise),
            "mean": (("animal", "target"), mean),
            "sd": (("animal", "target"), sd),
            "penalty": (("region", "source_name"), solved.penalty),
        },
        coords={
            "target": union.unit_id,
            "source": union.unit_id,
            "target_region": ("target", union.region),
            "source_region": ("source", union.region),
            "input": union.inputs,
            "animal": list(names),
            "region": union.regions,
            "source_name": [*union.regions, *(f"input:{name}" for name in union.inputs)],
        },
        attrs={"tau_s": tau_s, "deviation_ratio": solved.ratio, "results_version": RESULTS_VERSION},
    )
