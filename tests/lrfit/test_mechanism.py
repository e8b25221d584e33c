"""The tables of the mechanism: valid, complete, and right about networks whose mechanism is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import lrfit
from benchmarks.recorded import recorded
from curbd import tables
from curbd.dynamics.attractors import constant_inputs
from curbd.dynamics.slow_modes import WARNING
from curbd.network.perturbed_run import silenced_run
from curbd.network.view import view
from lrfit.mechanism.attractor_table import dynamics_table
from lrfit.mechanism.mechanism_tables import mechanism_tables, transmission_table
from lrfit.mechanism.transmission import transmission
from lrfit.network import low_rank_of
from lrfit.teachers import constructed, low_rank_teacher, tasks
from lrfit.teachers.low_rank_teacher import LowRankTeacher
from lrfit.teachers.tasks import Task

Fitted = tuple[xr.Dataset, xr.Dataset]

TABLES = ("dynamics", "field", "geometry", "populations", "transmission")


def fitted(
    teacher: LowRankTeacher, task: Task, *, seeds: list[int], rank: int, conditions: str = "", **noise: float
) -> Fitted:
    """A recording of a teacher at its task, and the low-rank networks fitted to it."""
    recording, _ = recorded(low_rank_teacher.record(teacher, task, np.random.default_rng(5), **noise))
    if conditions:
        recording = recording.assign_coords(condition=("trial", task.trials[conditions].astype(str).to_numpy()))
    model = lrfit.Model(family="low_rank", options={"rank": rank}, seeds=seeds)
    return recording, lrfit.fit(recording, model, "low")[0]


@pytest.fixture(scope="module")
def gated() -> Fitted:
    """The gating teacher: two regions, context a or b."""
    task = tasks.contextual_decision(200, np.random.default_rng(0), cue=10)
    return fitted(constructed.gating(0, units=60), task, seeds=[0, 1], rank=3, conditions="context")


@pytest.fixture(scope="module")
def of_gated(gated: Fitted) -> dict[str, pd.DataFrame]:
    return mechanism_tables(*gated)


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_are_valid_and_can_be_written(of_gated: dict[str, pd.DataFrame], name: str, tmp_path: Path) -> None:
    assert set(of_gated) == set(TABLES)
    assert len(of_gated[name])
    assert tables.problems(name, of_gated[name]) == []
    file = tmp_path / tables.TABLES[name].file
    tables.write(name, of_gated[name], file)
    assert len(tables.read(name, file)) == len(of_gated[name])


def test_the_fixed_points_of_a_fit_to_noisy_trials_are_those_of_the_teacher() -> None:
    """Four attractors of two bits, in fits to single noisy trials, in each of them, with the warning on every row."""
    teacher = constructed.flip_flop(0, units=80)
    task = tasks.flip_flop(60, np.random.default_rng(1))
    table = dynamics_table(*fitted(teacher, task, seeds=[0, 1], rank=2))
    assert tables.problems("dynamics", table) == []
    assert (table["warning"] == WARNING).all()
    free = table[(table["input"] == "none") & (table["type"] == "fixed_point")]
    points = pd.crosstab(free["seed"], free["stability"]) / 2  # two latents a point
    assert (points == [5 - 1, 4, 1]).all(axis=None)
    assert free["complete"].all()
    assert (free.loc[free["stability"] == "stable", "found_in"] == 1).all()
    assert (free["moved"] == 0).all()
    assert not (table["type"] == "limit_cycle").any()
    # A pulse on one bit leaves only its own side.
    pulse = table[(table["input"] == "input:bit_1") & (table["stability"] == "stable") & (table["seed"] == 0)]
    assert pulse["point"].nunique() == 2


def test_an_oscillation_is_found_with_its_period_and_multiplier() -> None:
    teacher = constructed.oscillator(0, units=100)
    task = tasks.oscillator(60, np.random.default_rng(1), samples=150)
    table = dynamics_table(*fitted(teacher, task, seeds=[0], rank=2, spread=0.3))
    cycle = table[table["type"] == "limit_cycle"].sort_values("latent")
    assert cycle["period_s"].to_numpy() == pytest.approx(1.0, rel=0.02)
    assert cycle["eigenvalue_real"].iloc[0] == pytest.approx(0.2, abs=0.05)
    assert cycle["eigenvalue_real"].iloc[1] == 1
    assert (cycle["amplitude"] > 0.5).all()


def test_inputs_are_held_one_by_one_and_as_conditions_have_them(gated: Fitted) -> None:
    held = constant_inputs(view(*gated))
    assert set(held) == {"none", "condition:0", "condition:1"} | {
        f"input:{name}" for name in ("a", "b", "context_a", "context_b")
    }
    assert held["input:context_a"] == pytest.approx([0, 0, 1, 0])
    assert held["condition:0"][2] == pytest.approx(10 / 68)


def test_shares_sum_to_one_and_fits_agree_where_the_rates_went(
    gated: Fitted, of_gated: dict[str, pd.DataFrame]
) -> None:
    table = of_gated["geometry"]
    first = table[table["seed"] == 0]
    assert first.loc[first["measure"] == "latent_share", "value"].sum() == pytest.approx(1)
    shares = first[first["measure"] == "region_share"].groupby("of")["value"].sum()
    assert shares.to_numpy() == pytest.approx(1)
    agreement = first.set_index("measure")["value"]
    assert agreement["effective_r"] >= agreement["connectivity_r"]
    assert agreement["effective_r"] > 0.9
    cosine = first[(first["of"] == "m_1") & (first["with"] == "n_1") & (first["measure"] == "overlap")]["value"]
    low_rank = low_rank_of(view(*gated))
    m, n = low_rank.m[:, 0], low_rank.n[:, 0]
    assert float(cosine.iloc[0]) == pytest.approx(m @ n / np.linalg.norm(m) / np.linalg.norm(n))


def test_what_is_silenced_sends_nothing_and_the_rest_is_there(of_gated: dict[str, pd.DataFrame]) -> None:
    table = of_gated["transmission"]
    assert set(table["silenced"]) == {"none", "relay", "context"}
    assert "context" not in set(table.loc[table["silenced"] == "context", "source"])
    assert set(table.loc[table["seed"] == 1, "silenced"]) == {"none"}
    named = {source for source in table["source"] if source.startswith("population:")}
    assert len(named) == of_gated["populations"]["population"].nunique()


def test_the_field_vanishes_at_its_fixed_points_and_holds_them(of_gated: dict[str, pd.DataFrame]) -> None:
    table = of_gated["field"]
    points = of_gated["dynamics"]
    points = points[(points["seed"] == 0) & (points["latent"] <= 2)]
    assert set(table["input"]) == set(points["input"])
    for k in (1, 2):
        visited = points.loc[points["latent"] == k, "position"]
        assert table[f"position_{k}"].min() < visited.min()
        assert visited.max() < table[f"position_{k}"].max()
    # Far out the field points inwards.
    edge = table[table["position_1"] == table["position_1"].max()]
    assert (edge["velocity_1"] < 0).all()


def test_a_network_without_latents_has_no_attractors(gated: Fitted) -> None:
    recording, networks = gated
    empty = networks.copy(deep=True)
    for factor in ("m", "n", "J"):
        empty[factor][:] = 0
    computed = mechanism_tables(recording, empty)
    assert computed["dynamics"].empty
    assert computed["field"].empty
    assert computed["geometry"].empty
    assert (computed["transmission"]["transmitted"] == 0).all()
    for name in TABLES:
        assert tables.problems(name, computed[name]) == []


def test_a_network_without_latents_and_inputs_has_one_population(gated: Fitted) -> None:
    recording, networks = gated
    empty = networks.copy(deep=True)
    empty["J"][:] = 0
    computed = mechanism_tables(recording.isel(input=slice(0)), empty.isel(rank=slice(0), input=slice(0)))
    assert (computed["populations"]["population"] == 1).all()
    for name in TABLES:
        assert tables.problems(name, computed[name]) == []


def test_silenced_units_of_spike_counts_are_at_the_bottom_of_their_range(
    gated: Fitted, of_gated: dict[str, pd.DataFrame]
) -> None:
    recording, networks = gated
    # The same scaled rates, counted from -1.
    counts = recording.assign(rates=recording["rates"] + recording["scale"]).assign_attrs(silent=-1.0)
    table = transmission_table(counts, networks, of_gated["populations"])
    fit = view(counts, networks)
    relay = fit.region == "relay"
    run = silenced_run(fit.network, fit.r, fit.u, relay, -1.0)
    context = {"context": ~relay}
    passed = transmission(fit.network, run, fit.condition, context, context).transmitted
    rows = table[(table["seed"] == 0) & (table["silenced"] == "relay")]
    rows = rows[(rows["source"] == "context") & (rows["target"] == "context")].sort_values("condition")
    np.testing.assert_allclose(rows["transmitted"], passed.values.ravel())


def test_runs_begin_where_the_recording_does(gated: Fitted, of_gated: dict[str, pd.DataFrame]) -> None:
    recording, networks = gated
    late = recording.copy(deep=True)
    late["rates"][:, :3] = np.nan
    tables_of = [
        transmission_table(recorded_part, networks, of_gated["populations"])
        for recorded_part in (late, recording.isel(time=slice(3, None)))
    ]
    np.testing.assert_allclose(*(table["transmitted"] for table in tables_of))
