"""The models of a config that names none: populations where every recording holds spikes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from curbd import teachers
from curbd.commands.default_models import with_default_models
from curbd.settings.plan import Plan
from curbd.settings.plan_reading import read_plan


def plan_of(tmp_path: Path, *rates: np.ndarray, attrs: dict[str, str] | None = None, **keys: Any) -> Plan:
    """The plan of a config about HDF5 files with these rates in bins of 20 ms."""
    lines = ["recording\tpath\tformat"]
    for index, values in enumerate(rates):
        with h5py.File(tmp_path / f"{index}.h5", "w") as file:
            file["rates"], file["time"] = values, np.arange(values.shape[1]) * 0.02
            file["region"] = ["A"] * values.shape[2]
            file.attrs.update(attrs or {})
        lines.append(f"r{index}\t{index}.h5\thdf5")
    (tmp_path / "recordings.tsv").write_text("\n".join(lines) + "\n")
    return with_default_models(read_plan({"recordings": str(tmp_path / "recordings.tsv"), **keys}))


COUNTS = np.random.default_rng(0).poisson(0.3, (4, 10, 3))


@pytest.mark.parametrize("counts", [COUNTS, COUNTS.astype(float), COUNTS / 0.02])
def test_counts_have_a_population_network_beside_a_network_of_units(tmp_path: Path, counts: np.ndarray) -> None:
    models = plan_of(tmp_path, counts).config.models
    assert {name: model.level for name, model in models.items()} == {"full_rank": "unit", "population": "population"}
    assert all(model.smoothing_s == 0 for model in models.values())


def test_rates_keep_the_default_models_and_so_does_a_mixture(tmp_path: Path) -> None:
    rates = np.random.default_rng(1).random((4, 10, 3))
    assert set(plan_of(tmp_path, rates).config.models) == {"full_rank", "low_rank"}
    assert set(plan_of(tmp_path, COUNTS, rates).config.models) == {"full_rank", "low_rank"}
    assert set(plan_of(tmp_path, COUNTS, attrs={"activity": "model"}).config.models) == {"full_rank", "low_rank"}


def test_models_that_the_config_names_are_kept(tmp_path: Path) -> None:
    models = plan_of(tmp_path, COUNTS, models={"mine": {"family": "low_rank"}}).config.models
    assert set(models) == {"mine"}


def test_large_whole_numbers_are_no_spike_counts(tmp_path: Path) -> None:
    camera = np.random.default_rng(2).integers(300, 4000, (4, 10, 3))
    assert set(plan_of(tmp_path, camera).config.models) == {"full_rank", "low_rank"}


def test_fluorescence_has_a_population_network_beside_a_network_of_units(tmp_path: Path) -> None:
    traces = np.random.default_rng(3).random((2, 10, 3))
    with h5py.File(tmp_path / "imaging.h5", "w") as file:
        file["dff"], file["time"], file["region"] = traces, np.arange(10) * 0.1, ["A", "A", "B"]
    table = tmp_path / "recordings.tsv"
    table.write_text("recording\tpath\tformat\thdf5.rates\nimaging\timaging.h5\thdf5\tdff\n")
    models = with_default_models(read_plan({"recordings": str(table)})).config.models
    assert {name: model.level for name, model in models.items()} == {"full_rank": "unit", "population": "population"}
    averages = read_plan({"recordings": str(table), "defaults": {"units": {"min_per_region": 1}}})
    assert set(with_default_models(averages).config.models) == {"full_rank", "low_rank"}


def test_responses_of_regions_of_interest_in_nwb_are_fluorescence(tmp_path: Path) -> None:
    small = teachers.multi_region(units=4, trials=3, samples=20, seed=4)
    teachers.write_nwb(small, tmp_path / "imaging.nwb")
    table = tmp_path / "recordings.tsv"
    table.write_text("recording\tpath\tformat\nimaging\timaging.nwb\tnwb\n")
    assert set(with_default_models(read_plan({"recordings": str(table)})).config.models) == {"full_rank", "population"}
