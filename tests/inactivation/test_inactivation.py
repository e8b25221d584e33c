"""Inactivation: what silencing does in a network that is known is what its own simulation does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from curbd import tables
from curbd.errors import UserError
from curbd.estimators.fitting import fit
from curbd.inactivation import inactivate, run_experiments
from curbd.inactivation.effects import STATES
from curbd.inactivation.interactions import interaction_table
from curbd.inactivation.tabulate import inactivation_table, timecourse_table, unit_table
from curbd.network.equation import Network, simulate
from curbd.network.file import to_dataset
from curbd.network.fit import Fit
from curbd.network.truth import true_network
from curbd.network.view import view
from curbd.settings.experiments import ExperimentSettings, Inactivation
from curbd.settings.models import Model
from tests.support.known_network import known_networks, small


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    recording, truth = small(tmp_path_factory.mktemp("teacher"), process_noise=0.1)
    return recording, truth, known_networks(recording, truth)


def by_hand(
    recording: xr.Dataset,
    truth: xr.Dataset,
    J: np.ndarray | None = None,
    rates_of: Callable[[np.ndarray, int], np.ndarray] = lambda r, t: r,
    current: np.ndarray | float = 0.0,
    B: np.ndarray | None = None,
) -> np.ndarray:
    """Rates of the true network in a plain loop, with other weights, other rates of the units, or more current."""
    x = np.arctanh(recording["rates"].values[:, 0])
    u = recording["inputs"].values
    J, B = (truth["J"].values if J is None else J), (truth["B"].values if B is None else B)
    alpha = truth.attrs["dt_s"] / truth.attrs["tau_s"]
    rates = np.empty(recording["rates"].shape)
    for t in range(rates.shape[1]):
        rates[:, t] = rates_of(np.tanh(x), t)
        x = x + alpha * (rates[:, t] @ J.T + u[:, t] @ B.T + current - x)
    return rates


def silent(units: np.ndarray) -> Callable[[np.ndarray, int], np.ndarray]:
    return lambda r, t: np.where(units, 0, r)


def expect(table: pd.DataFrame, effect: np.ndarray, region: np.ndarray) -> None:
    """The effects on the regions are those of the loop."""
    for target in np.unique(region):
        row = table[table.target == target]
        part = effect[..., region == target]
        assert row["effect_rms"].item() == pytest.approx(np.sqrt((part**2).mean()), rel=1e-9)
        assert row["effect_mean"].item() == pytest.approx(part.mean(), rel=1e-9, abs=1e-12)
    np.testing.assert_allclose(table["true_r2"].dropna(), 1, atol=1e-9)


def test_silencing_a_region_of_a_known_network(known) -> None:
    recording, truth, networks = known
    table = inactivate(recording, networks, {"silence": Inactivation(region="B")}, truth)
    assert tables.problems("inactivations", table) == []
    region = recording["region"].values
    effect = by_hand(recording, truth, rates_of=silent(region == "B")) - by_hand(recording, truth)
    expect(table, effect, region)
    assert set(table["perturbation"]) == {"silence:B"}


def test_cutting_a_pathway_leaves_both_ends_alive(known) -> None:
    recording, truth, networks = known
    table = inactivate(recording, networks, {"cut": Inactivation(kind="pathway", source="A", target="B")}, truth)
    region, J = recording["region"].values, truth["J"].values.copy()
    J[np.ix_(region == "B", region == "A")] = 0
    expect(table, by_hand(recording, truth, J) - by_hand(recording, truth), region)
    row = table[table.target == "B"]
    # Its own target has a null, groups of other units that are cut off from it; the others have none.
    assert row["p_value"].notna().all()
    assert table[table.target != "B"]["p_value"].isna().all()


def test_default_experiment_silences_each_region(known) -> None:
    recording, truth, networks = known
    table = inactivate(recording, networks, {"silence": Inactivation()}, truth)
    assert set(table["perturbation"]) == {"silence:A", "silence:B", "silence:C"}
    other = table["perturbation"].str[-1] != table["target"]
    assert table[other]["p_value"].between(1 / 40, 1).all()
    assert (table[other]["null_low"] <= table[other]["null_high"]).all()
    assert table[~other]["p_value"].isna().all()


def test_nothing_happens_before_the_window_and_half_strength_does_less(known) -> None:
    recording, truth, networks = known
    experiments = {
        "late": Inactivation(region="A", start_s=0.4),
        "half": Inactivation(region="A", strength=0.1),
        "full": Inactivation(region="A"),
    }
    table = inactivate(recording, networks, experiments, truth).set_index(["perturbation", "target"])
    assert table.loc[("late:A", "B"), "start_s"] == pytest.approx(0.395)
    assert table.loc[("half:A", "A"), "effect_rms"] < table.loc[("full:A", "A"), "effect_rms"]
    before = inactivate(
        recording.isel(time=slice(0, 40)), networks, {"late": Inactivation(region="A", start_s=0.39)}, None
    )
    assert before.set_index("target").loc["B", "effect_rms"] == 0


def test_cutting_an_input_matters_to_the_region_that_it_reaches(known) -> None:
    recording, truth, networks = known
    table = inactivate(recording, networks, {"off": Inactivation(kind="input", input="sine")}, truth)
    assert table.set_index("target").loc["B", "effect_rms"] > 0.05
    np.testing.assert_allclose(table["true_r2"], 1, atol=1e-9)


@pytest.mark.parametrize(
    ("experiment", "told"),
    [
        (Inactivation(region="D"), 'found "D"'),
        (Inactivation(kind="input", input="sin"), "did you mean 'sine'?"),
        (Inactivation(start_s=5.0, stop_s=6.0), "a window from 5 to 6 s"),
    ],
)
def test_what_the_recording_has_not_is_told(known, experiment: Inactivation, told: str) -> None:
    recording, _, networks = known
    with pytest.raises(UserError, match=told.replace("?", r"\?")):
        inactivate(recording, networks, {"try": experiment})


def test_lost_bins_are_left_out(tmp_path: Path) -> None:
    recording, truth = small(tmp_path)
    networks = known_networks(recording, truth)
    recording["rates"][3:, 40:] = np.nan
    recording["rates"][1, 70:] = np.nan
    table = inactivate(recording, networks, {"silence": Inactivation(region="A", start_s=0.6)}, truth)
    region = recording["region"].values
    seen = recording.isel(trial=slice(3), time=slice(60, None))
    effect = by_hand(seen, truth, rates_of=silent(region == "A")) - by_hand(seen, truth)
    expect(table, effect[np.isfinite(seen["rates"].values).all(2)], region)


@pytest.mark.parametrize("experiments", [{}, {"modes": Inactivation(kind="latent")}])
def test_without_any_experiment_the_tables_are_empty(known, tmp_path: Path, experiments) -> None:
    """A network of full rank has no latents."""
    recording, truth, networks = known
    assert inactivate(recording, networks, experiments).empty
    found = run_experiments(recording, networks, experiments, truth, bench=ExperimentSettings(readout=["step"]))
    inactivations = inactivation_table(found)
    written = {
        "inactivations": inactivations,
        "inactivation_timecourses": timecourse_table(found),
        "inactivation_units": unit_table(found),
    }
    for name, table in written.items():
        path = tmp_path / tables.TABLES[name].file
        tables.write(name, table, path)
        assert tables.read(name, path).empty
        assert tables.concatenate(name, [path, path]).empty
    interactions = interaction_table(found, inactivations)
    assert set(interactions["measure"]) <= {"transmitter_index", "generator_index"}, "these need no experiment"


def test_a_late_window_starts_from_the_recorded_state_of_its_onset(tmp_path: Path) -> None:
    recording, truth = small(tmp_path, process_noise=0.3)
    networks = known_networks(recording, truth)
    late = {"late": Inactivation(region="A", start_s=0.5)}
    bench = ExperimentSettings(groups=0)
    cut = inactivate(recording.isel(time=slice(50, None)), networks, {"late": Inactivation(region="A")}, bench=bench)
    whole = inactivate(recording, networks, late, truth, bench=bench)
    np.testing.assert_allclose(whole["effect_rms"], cut["effect_rms"])
    np.testing.assert_allclose(whole["true_rms"], cut["effect_rms"])
    # Where the bin of the onset was lost, the last state before it stands for it.
    before, held = recording.copy(deep=True), recording.copy(deep=True)
    before["rates"][0, 48:51] = np.nan
    held["rates"][0, 48:51] = recording["rates"][0, 47]
    one, other = (run_experiments(part, networks, late, bench=bench).fits for part in (before, held))
    trials = recording.sizes["trial"]
    after = (slice(None), slice(None), slice(None), slice(51, None))
    np.testing.assert_allclose(one.mean[after], other.mean[after])
    assert one.trials[0, 50] == trials - 1
    # A trial that begins after the onset starts from its first recorded state.
    late_start, held["rates"][:] = recording.copy(deep=True), recording["rates"]
    late_start["rates"][0, :52] = np.nan
    held["rates"][0, :52] = recording["rates"][0, 52]
    one, other = (run_experiments(part, networks, late, bench=bench).fits for part in (late_start, held))
    np.testing.assert_allclose(one.mean[..., 52:, :], other.mean[..., 52:, :])


def test_clamp_scale_and_drive(known) -> None:
    recording, truth, networks = known
    region = recording["region"].values
    chosen = np.isin(recording["unit_id"].values, ["A1", "B3"])
    on = {"kind": "units", "units": ["A1", "B3"], "strength": 0.5}
    intact = by_hand(recording, truth)
    everywhere = chosen | True
    cases = {
        "clamp": (-0.6, by_hand(recording, truth, rates_of=lambda r, t: np.where(chosen, 0.5 * r - 0.3, r)), ~chosen),
        "scale": (3.0, by_hand(recording, truth, rates_of=lambda r, t: np.where(chosen, 2.0 * r, r)), everywhere),
        "drive": (2.0, by_hand(recording, truth, current=1.0 * chosen), everywhere),
    }
    for action, (value, rates, read) in cases.items():
        experiment = Inactivation.model_validate(on | {"action": action, "value": value})
        table = inactivate(recording, networks, {"try": experiment}, truth)
        # Units that are held are no part of the effect on their region.
        expect(table, (rates - intact)[..., read], region[read])
        assert set(table["perturbed_share"]) == {0.125, 0.0}


def test_only_excitatory_outgoing_weights(known) -> None:
    recording, truth, networks = known
    region, J = recording["region"].values, truth["J"].values
    table = inactivate(recording, networks, {"try": Inactivation(region="A", weights="excitatory")}, truth)
    left = np.where((region == "A") & (J > 0), 0, J)
    expect(table, by_hand(recording, truth, left) - by_hand(recording, truth), region)
    one_way = Inactivation(kind="pathway", source="A", target="B", weights="inhibitory")
    table = inactivate(recording, networks, {"try": one_way}, truth)
    left = np.where(np.outer(region == "B", region == "A") & (J < 0), 0, J)
    expect(table, by_hand(recording, truth, left) - by_hand(recording, truth), region)


def test_several_things_together_in_a_window(known) -> None:
    recording, truth, networks = known
    region = recording["region"].values
    parts = [{"region": "A"}, {"kind": "input", "input": "sine"}]
    both = Inactivation.model_validate({"parts": parts, "start_s": 0.3, "stop_s": 0.6})
    found = run_experiments(recording, networks, {"both": both}, truth)
    time, u = recording["time"].values, recording["inputs"].values
    alpha = truth.attrs["dt_s"] / truth.attrs["tau_s"]
    inside = (time >= 0.3) & (time < 0.6)
    # Until the window begins both runs are the recording itself, whose noise no run of the network has.
    intact, rates = recording["rates"].values.copy(), recording["rates"].values.copy()
    for run, on in ((intact, np.zeros(len(time), bool)), (rates, inside)):
        x = np.arctanh(run[:, inside.argmax()])
        for t in range(inside.argmax(), len(time)):
            run[:, t] = np.where(on[t] & (region == "A"), 0, np.tanh(x))
            B = truth["B"].values * (np.array([0.0, 1.0]) if on[t] else 1.0)
            x = x + alpha * (run[:, t] @ truth["J"].values.T + u[:, t] @ B.T - x)
    effect = rates - intact
    courses = timecourse_table(found)
    assert tables.problems("inactivation_timecourses", courses) == []
    of_c = courses[courses.target == "C"].sort_values("time_s")
    np.testing.assert_allclose(of_c["effect_rms"], np.sqrt((effect[..., region == "C"] ** 2).mean((0, 2))), atol=1e-12)
    np.testing.assert_allclose(of_c["intact_mean"], intact[..., region == "C"].mean((0, 2)))
    np.testing.assert_allclose(of_c["true_rms"], of_c["effect_rms"])
    assert of_c["effect_rms"].iloc[-1] > 0, "what was set going in the window goes on after it"
    units = unit_table(found).set_index("unit_id")
    assert tables.problems("inactivation_units", units.reset_index()) == []
    np.testing.assert_allclose(
        units["effect_mean"].loc[recording["unit_id"].values], effect[:, inside].mean((0, 1)), atol=1e-12
    )
    assert set(units[units["perturbed"]]["region"]) == {"A"}


def test_a_latent_is_taken_out_of_the_connectivity(known) -> None:
    recording, truth, _ = known
    rng = np.random.default_rng(1)
    m, n = rng.standard_normal((24, 2)), rng.standard_normal((24, 2)) / 8
    network = true_network(truth)._replace(J=m @ n.T)
    model = Model(family="low_rank", seeds=[0])
    networks = to_dataset([Fit(network, factors=(m, n))], recording, "low", model)
    found = run_experiments(recording, networks, {"out": Inactivation(kind="latent", latent=2)})
    table = inactivation_table(found).set_index("target")
    effect = by_hand(recording, truth, np.outer(m[:, 0], n[:, 0])) - by_hand(recording, truth, m @ n.T)
    region = recording["region"].values
    assert table.loc["B", "effect_rms"] == pytest.approx(np.sqrt((effect[..., region == "B"] ** 2).mean()))
    assert table.loc["latent:1", "effect_rms"] == pytest.approx(np.sqrt(((effect @ n[:, 0]) ** 2).mean()))
    assert list(table["target_kind"]) == ["region"] * 3 + ["latent"] * 2


def test_a_readout_of_behaviour(known) -> None:
    recording, _, networks = known
    bench = ExperimentSettings(readout=["step"])
    found = run_experiments(recording, networks, {"off": Inactivation(region="C")}, bench=bench)
    row = inactivation_table(found).set_index("target").loc["readout:step"]
    assert row["readout_r2"] > 0.1, "the step drives region C"
    assert row["effect_rms"] > 0.05
    assert row["q_value"] == row["p_value"] <= 1, "the only effect on a readout"


def test_chunks_change_nothing(known, monkeypatch: pytest.MonkeyPatch) -> None:
    recording, truth, networks = known
    experiments = {
        "silence": Inactivation(),
        "cut": Inactivation(kind="pathway"),
        "late": Inactivation(region="A", start_s=0.5),
    }
    whole = inactivate(recording, networks, experiments, truth, bench=ExperimentSettings(groups=2))
    monkeypatch.setitem(STATES, "cpu", 24 * 9 * 8)
    monkeypatch.setitem(STATES, "cuda", 24 * 9 * 8)
    pd.testing.assert_frame_equal(
        inactivate(recording, networks, experiments, truth, bench=ExperimentSettings(groups=2)), whole, rtol=1e-9
    )


def test_only_the_trials_of_a_condition(tmp_path: Path) -> None:
    recording, truth = small(tmp_path)
    recording["condition"] = ("trial", recording["side"].values)
    networks = known_networks(recording, truth)
    both = inactivate(recording, networks, {"off": Inactivation(region="A")})
    one = inactivate(recording, networks, {"off": Inactivation(region="A", conditions=["left"])})
    assert set(one["condition"]) == {"left"}
    same = both[both["condition"] == "left"].reset_index(drop=True)
    pd.testing.assert_frame_equal(one.drop(columns="q_value"), same.drop(columns="q_value"))


def test_shared_noise_leaves_an_absent_effect_absent(tmp_path: Path) -> None:
    recording, truth = small(tmp_path, absent=[("C", "A"), ("B", "A")])
    networks = known_networks(recording, truth)
    bench = ExperimentSettings(noise_draws=3, groups=0)
    table = inactivate(recording, networks, {"off": Inactivation(region="A")}, bench=bench).set_index("target")
    assert table.loc["C", "effect_rms"] == 0, "the intact and the perturbed run meet the same noise"


def test_noise_adds_its_variance_to_the_effect_on_a_unit_in_its_linear_range(tmp_path: Path) -> None:
    """A silenced unit without inputs loses its own rate: x(t) = k^t x(0) + noise of variance sd^2 (1 + k^2 + ...).

    x stays near 0, where tanh(x) = x, and k = 1 - (1 - J) dt / tau. The three units of the region do not drive one
    another.
    """
    recording, truth = small(tmp_path, regions=["A"], units=3, trials=70, samples=40, inputs="none")
    weight, noise_sd, bench = 0.5, 1e-3, ExperimentSettings(noise_draws=25, groups=0)
    recording["rates"] = 0.01 * recording["scale"] * xr.ones_like(recording["rates"])
    network = true_network(truth)._replace(J=weight * np.eye(3))
    fit = Fit(network, process_noise_sd=np.full(3, noise_sd))
    networks = to_dataset([fit], recording, "single units", Model(family="full_rank", seeds=[0]))
    off = {"off": Inactivation(region="A")}
    quiet, noisy = (
        inactivate(recording, networks, off, bench=chosen)["effect_rms"].item()
        for chosen in (ExperimentSettings(groups=0), bench)
    )
    keep = 1 - (1 - weight) * network.dt_s / network.tau_s
    variance = noise_sd**2 * np.cumsum(np.append(0, keep ** (2 * np.arange(39)))).mean()
    assert quiet == pytest.approx(0.01 * np.sqrt((keep ** (2 * np.arange(40))).mean()), rel=1e-3)
    # 5250 runs of a unit, whose errors are correlated over some 20 bins, leave about 2 % of the variance open.
    assert noisy**2 - quiet**2 == pytest.approx(variance, rel=0.08)


def test_intervals_hold_the_true_effect(tmp_path: Path) -> None:
    """One fit: of 24 units under three perturbations, about 95 % are covered; the exact share is a benchmark's."""
    recording, truth = small(tmp_path, process_noise=0.3, trials=20)
    networks, _ = fit(recording, Model(family="full_rank", seeds=[0], tau_s=0.1), "one_step")
    found = run_experiments(
        recording, networks, {"off": Inactivation(stop_s=0.4)}, truth, bench=ExperimentSettings(groups=0)
    )
    units = unit_table(found)
    free = units[~units["perturbed"]]
    covered = free["true_mean"].between(free["ci_low"], free["ci_high"])
    assert 0.8 < covered.mean() < 1
    assert (free["ci_low"] < free["ci_high"]).all()


def test_the_expected_effect_is_the_mean_over_networks_drawn_from_the_posterior(tmp_path: Path) -> None:
    recording, truth = small(tmp_path, process_noise=0.3, trials=8)
    networks, _ = fit(recording, Model(family="full_rank", seeds=[0], tau_s=0.1), "one_step")
    bench = ExperimentSettings(groups=0, posterior_draws=5)
    found = run_experiments(recording, networks, {"off": Inactivation(region="A")}, truth, bench=bench)
    x0, u = np.arctanh(recording["rates"].values[:, 0]), recording["inputs"].values
    a, b = (recording["region"].values == name for name in "AB")
    gain = np.where(a, 0.0, 1.0) * np.ones((1, recording.sizes["time"], 1))

    def effect(network: Network) -> np.ndarray:
        return (simulate(network, x0, u, gain=gain) - simulate(network, x0, u))[..., b]

    drawn = np.stack([effect(one) for one in view(recording, networks).draws(5, 0)])
    true, expected = effect(true_network(truth)), drawn.mean(0)
    row = inactivation_table(found).set_index("target").loc["B"]
    assert row["expected_rms"] == pytest.approx(np.sqrt((drawn**2).mean()))
    assert row["expected_mean"] == pytest.approx(expected.mean())
    assert row["expected_true_r2"] == pytest.approx(1 - ((expected - true) ** 2).mean() / (true**2).mean())
    units = unit_table(found).set_index("unit_id")["expected_mean"]
    np.testing.assert_allclose(units[recording["unit_id"].values[b]], expected.mean((0, 1)))
