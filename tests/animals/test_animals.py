"""Several animals as one network: teachers whose shared weights and deviations are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import curbd
from curbd import tables
from curbd.animals.hierarchy import AnimalMoments, solve_hierarchy
from curbd.animals.missing_units import expected_units, shared_covariance
from curbd.cli import main
from curbd.network.truth import correlation
from curbd.storage.netcdf import read_netcdf, write_netcdf
from curbd.teachers import Animals, several_animals

MODEL = curbd.Model(family="full_rank", seeds=[0])


def recorded(teacher: Animals) -> dict[str, xr.Dataset]:
    """The recordings of all animals."""
    return {
        f"animal{index}": curbd.ingest_rates(rates, name=f"animal{index}").recording
        for index, rates in enumerate(teacher.rates)
    }


def positions(teacher: Animals, unit_id: np.ndarray) -> np.ndarray:
    return np.array([list(teacher.unit_id).index(unit) for unit in unit_id.astype(str)])


def off_diagonal(weights: np.ndarray) -> np.ndarray:
    return weights[~np.eye(len(weights), dtype=bool)]


@pytest.fixture(scope="module")
def teacher() -> Animals:
    return several_animals(animals=3, units=8, trials=12, deviation=0.5, seed=0)


@pytest.fixture(scope="module")
def recordings(teacher: Animals) -> dict[str, xr.Dataset]:
    return recorded(teacher)


@pytest.fixture(scope="module")
def network(recordings: dict[str, xr.Dataset]) -> xr.Dataset:
    return curbd.shared_network(recordings)


def test_the_shared_network_is_nearer_to_the_truth_than_the_networks_of_single_animals(
    teacher: Animals, recordings: dict[str, xr.Dataset], network: xr.Dataset
) -> None:
    for index, (name, recording) in enumerate(recordings.items()):
        units = recording["unit_id"].values
        where = np.ix_(positions(teacher, units), positions(teacher, units))
        sd = network["sd"].sel(animal=name, target=units).values
        own = curbd.view(recording, curbd.fit(recording, MODEL).networks).network.J * sd / sd[:, None]
        shared = network["J"].sel(target=units, source=units).values
        of_animal = shared + network["deviation"].sel(animal=name, target=units, source=units).values
        true, true_of_animal = teacher.network.J[where], (teacher.network.J + teacher.deviation[index])[where]
        assert correlation(off_diagonal(shared), off_diagonal(true)) > correlation(
            off_diagonal(own), off_diagonal(true)
        )
        assert correlation(off_diagonal(of_animal), off_diagonal(true_of_animal)) > correlation(
            off_diagonal(own), off_diagonal(true_of_animal)
        )


def test_deviations_of_animals_are_recovered() -> None:
    teacher = several_animals(animals=3, units=6, trials=80, missing=0.1, deviation=0.7, seed=1)
    recordings = recorded(teacher)
    network = curbd.shared_network(recordings)
    for index, (name, recording) in enumerate(recordings.items()):
        units = recording["unit_id"].values
        where = np.ix_(positions(teacher, units), positions(teacher, units))
        # What all animals have in common is no deviation.
        true = (teacher.deviation[index] - teacher.deviation.mean(0))[where]
        deviation = network["deviation"].sel(animal=name, target=units, source=units).values
        assert correlation(off_diagonal(deviation), off_diagonal(true)) > 0.5


def test_known_synapses_improve_the_weights(
    teacher: Animals, recordings: dict[str, xr.Dataset], network: xr.Dataset, tmp_path: Path
) -> None:
    target, source = np.nonzero(teacher.network.J)
    pairs = pd.DataFrame({"target": teacher.unit_id[target], "source": teacher.unit_id[source]})
    pairs.to_csv(tmp_path / "synapses.tsv", sep="\t", index=False)
    informed = curbd.shared_network(recordings, str(tmp_path / "synapses.tsv"))
    order = positions(teacher, network["target"].values)
    true = off_diagonal(teacher.network.J[np.ix_(order, order)])
    assert correlation(off_diagonal(informed["J"].values), true) > correlation(off_diagonal(network["J"].values), true)


def test_shared_weights_and_deviations_solve_the_regression_of_all_animals_at_once() -> None:
    rng = np.random.default_rng(0)
    p, source = 4, np.array([0, 0, 1, 1])
    z = [rng.standard_normal((60, p)) for _ in range(2)]
    y = [x @ rng.standard_normal((p, p)) + rng.standard_normal((60, p)) for x in z]
    everywhere, nothing = np.ones(p, dtype=bool), np.zeros((p, p))
    moments = [
        AnimalMoments(a.T @ a, b.T @ a, (b**2).sum(0), 60.0, everywhere, nothing) for a, b in zip(z, y, strict=True)
    ]
    solved = solve_hierarchy(moments, source, source)
    zeros = np.zeros_like(z[0])
    design = np.block([[z[0], z[0], zeros], [z[1], zeros, z[1]]])
    for unit in range(p):
        # At the fixed point the last round has used nearly these penalties.
        ridge = solved.penalty[source[unit]][source]
        ridges = np.concatenate([ridge, solved.ratio * ridge, solved.ratio * ridge])
        both = np.concatenate([y[0][:, unit], y[1][:, unit]])
        expected = np.linalg.solve(design.T @ design + np.diag(ridges), design.T @ both)
        own = solved.deviation[:, unit]
        np.testing.assert_allclose(np.concatenate([solved.shared[unit], *own]), expected, atol=0.02)


def test_an_unrecorded_unit_is_expected_from_its_correlations_in_other_animals() -> None:
    rng = np.random.default_rng(0)
    true = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 1.0]])
    samples = rng.multivariate_normal(np.zeros(3), true, size=(2, 50_000))
    seen = np.array([[True, True, True], [True, False, True]])
    scatters = [values[:, of_animal].T @ values[:, of_animal] for values, of_animal in zip(samples, seen, strict=True)]
    covariance = shared_covariance(scatters, [50_000, 50_000], seen)
    np.testing.assert_allclose(covariance, true, atol=0.03)
    expected = expected_units(covariance, seen[1])
    np.testing.assert_allclose(expected.of_recorded[:, 1], [0.8, 0.0], atol=0.03)
    np.testing.assert_allclose(expected.uncertainty[1, 1], 1 - 0.8**2, atol=0.03)


def test_the_step_writes_network_and_tables(recordings: dict[str, xr.Dataset], tmp_path: Path) -> None:
    for name, recording in recordings.items():
        write_netcdf({"/": recording}, tmp_path / f"{name}.nc")
    main(
        [
            "shared",
            "--recordings",
            *(str(tmp_path / f"{name}.nc") for name in recordings),
            *("--out", str(tmp_path / "network.nc")),
            *("--weights", str(tmp_path / "shared_weights.parquet")),
            *("--pathways", str(tmp_path / "shared_pathways.csv")),
        ]
    )
    J = read_netcdf(tmp_path / "network.nc")["J"]
    weights = tables.read("shared_weights", tmp_path / "shared_weights.parquet")
    np.testing.assert_allclose(weights["weight"], J.values.ravel())
    pathways = tables.read("shared_pathways", tmp_path / "shared_pathways.csv")
    assert len(pathways) == 9


def test_a_unit_in_two_regions_is_a_mistake(recordings: dict[str, xr.Dataset]) -> None:
    first, second, *_ = recordings.values()
    moved = second.assign_coords(region=("unit", np.roll(second["region"].values, 1)))
    with pytest.raises(curbd.UserError, match="the same region in all animals"):
        curbd.shared_network({"first": first, "second": moved})
