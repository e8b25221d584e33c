"""Effects of experiments in a known network: equal to the effects in a simulation of this network in a plain loop."""

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
from curbd.inactivation.effects import Effects
from curbd.inactivation.interactions import interaction_table
from curbd.inactivation.tabulate import inactivation_table, timecourse_table, unit_table
from curbd.network.equation import Network, simulate
from curbd.network.file_content import to_dataset
from curbd.network.fit import Fit
from curbd.network.truth import true_network
from curbd.network.view import view
from curbd.settings.experiments import ExperimentSettings, Inactivation
from curbd.settings.models import Model
from tests.support.known_network import known_networks, small


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    recording, truth = small(tmp_path_factory.mktemp("teacher"), process_noise=0.1)
    return recording, truth, known_networks(recording, truth)


def simulated_rates(
    recording: xr.Dataset,
    truth: xr.Dataset,
    J: np.ndarray | None = None,
    rates_of: Callable[[np.ndarray, int], np.ndarray] = lambda r, t: r,
    current: np.ndarray | float = 0.0,
    B: np.ndarray | None = None,
) -> np.ndarray:
    """Rates of the true network from a plain loop over time.

    Parameters
    ----------
    recording, truth : the recording of a teacher and its network; runs start from the first recorded states.
    J, B : weights in the place of the true weights.
    rates_of : changes the rates (trial, unit) of a bin, which is given by index.
    current : (unit,) further current.

    Returns
    -------
    (trial, time, unit)
    """
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
    """The change of the rates when some units (unit,) are silenced."""
    return lambda r, t: np.where(units, 0, r)


def assert_effects(table: pd.DataFrame, effect: np.ndarray, region: np.ndarray) -> None:
    """The effects on the regions are the effects (..., unit) of the loop, and are equal to the true effects."""
    for target in np.unique(region):
        row = table[table.target == target]
        of_target = effect[..., region == target]
        assert row["effect_rms"].item() == pytest.approx(np.sqrt((of_target**2).mean()), rel=1e-9)
        assert row["effect_mean"].item() == pytest.approx(of_target.mean(), rel=1e-9, abs=1e-12)
    np.testing.assert_allclose(table["true_r2"].dropna(), 1, atol=1e-9)


def test_silencing_a_region_has_the_effect_of_the_simulation(teacher) -> None:
    recording, truth, networks = teacher
    table = inactivate(recording, networks, {"silence": Inactivation(region="B")}, truth)
    assert tables.problems("inactivations", table) == []
    region = recording["region"].values
    effect = simulated_rates(recording, truth, rates_of=silent(region == "B")) - simulated_rates(recording, truth)
    assert_effects(table, effect, region)
    assert set(table["perturbation"]) == {"silence:B"}


def test_cutting_a_pathway_removes_its_weights_and_leaves_both_regions_active(teacher) -> None:
    recording, truth, networks = teacher
    table = inactivate(recording, networks, {"cut": Inactivation(kind="pathway", source="A", target="B")}, truth)
    region, J = recording["region"].values, truth["J"].values.copy()
    J[np.ix_(region == "B", region == "A")] = 0
    assert_effects(table, simulated_rates(recording, truth, J) - simulated_rates(recording, truth), region)
    row = table[table.target == "B"]
    # Only the target of the pathway has a null: the effect of cutting other units off from it.
    assert row["p_value"].notna().all()
    assert table[table.target != "B"]["p_value"].isna().all()


def test_the_default_experiment_silences_each_region(teacher) -> None:
    recording, truth, networks = teacher
    table = inactivate(recording, networks, {"silence": Inactivation()}, truth)
    assert set(table["perturbation"]) == {"silence:A", "silence:B", "silence:C"}
    elsewhere = table["perturbation"].str[-1] != table["target"]
    assert table[elsewhere]["p_value"].between(1 / 40, 1).all()
    assert (table[elsewhere]["null_low"] <= table[elsewhere]["null_high"]).all()
    assert table[~elsewhere]["p_value"].isna().all()


def test_effects_are_0_before_the_window_and_smaller_at_lower_strength(teacher) -> None:
    recording, truth, networks = teacher
    experiments = {
        "late": Inactivation(region="A", start_s=0.4),
        "weak": Inactivation(region="A", strength=0.1),
        "full": Inactivation(region="A"),
    }
    table = inactivate(recording, networks, experiments, truth).set_index(["perturbation", "target"])
    assert table.loc[("late:A", "B"), "start_s"] == pytest.approx(0.395)
    assert table.loc[("weak:A", "A"), "effect_rms"] < table.loc[("full:A", "A"), "effect_rms"]
    before = inactivate(
        recording.isel(time=slice(0, 40)), networks, {"late": Inactivation(region="A", start_s=0.39)}, None
    )
    assert before.set_index("target").loc["B", "effect_rms"] == 0


def test_removing_an_input_changes_the_region_that_receives_it(teacher) -> None:
    recording, truth, networks = teacher
    table = inactivate(recording, networks, {"off": Inactivation(kind="input", input="sine")}, truth)
    assert table.set_index("target").loc["B", "effect_rms"] > 0.05
    np.testing.assert_allclose(table["true_r2"], 1, atol=1e-9)


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        (Inactivation(region="D"), 'found "D"'),
        (Inactivation(kind="input", input="sin"), "did you mean 'sine'?"),
        (Inactivation(start_s=5.0, stop_s=6.0), "a time window from 5 to 6 s"),
    ],
)
def test_names_and_windows_that_the_recording_does_not_have_are_refused(
    teacher, experiment: Inactivation, message: str
) -> None:
    recording, _, networks = teacher
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        inactivate(recording, networks, {"try": experiment})


def test_missing_bins_are_left_out_of_effects(tmp_path: Path) -> None:
    recording, truth = small(tmp_path)
    networks = known_networks(recording, truth)
    recording["rates"][3:, 40:] = np.nan
    recording["rates"][1, 70:] = np.nan
    table = inactivate(recording, networks, {"silence": Inactivation(region="A", start_s=0.6)}, truth)
    region = recording["region"].values
    seen = recording.isel(trial=slice(3), time=slice(60, None))
    effect = simulated_rates(seen, truth, rates_of=silent(region == "A")) - simulated_rates(seen, truth)
    assert_effects(table, effect[np.isfinite(seen["rates"].values).all(2)], region)


def test_effects_on_rates_in_hz_are_in_hz_as_well(tmp_path: Path) -> None:
    recording, truth = small(tmp_path)
    assert "effect_hz" not in inactivate(recording, known_networks(recording, truth), {"silence": Inactivation()})
    # The same scaled rates, of units whose largest rates differ.
    hz = 1.25 * np.arange(1.0, recording.sizes["unit"] + 1)
    recording = recording.assign(scale=("unit", hz), rates=(recording["rates"] * hz).assign_attrs(units="Hz"))
    recording = recording.assign_attrs(activity="measured")
    networks = known_networks(recording, truth)
    half = Inactivation(kind="units", units=["A1", "A2"])
    outcome = run_experiments(recording, networks, {"silence": Inactivation(region="B"), "half": half})
    table = inactivation_table(outcome)
    assert tables.problems("inactivations", table) == []
    units = unit_table(outcome)
    scale = dict(zip(recording["unit_id"].values.astype(str), hz, strict=True))
    units = units.assign(hz=units["unit_id"].map(scale))
    # Units that an experiment holds are left out of its effect on their region, unless all of them are held.
    free = ~units["perturbed"] | (units["region"] == "B")
    for column, of_units in (("effect_hz", "effect_mean"), ("intact_hz", "intact_mean")):
        expected = (units[of_units] * units["hz"])[free].groupby([units["perturbation"], units["region"]]).mean()
        found = table.set_index(["perturbation", "target"])[column]
        np.testing.assert_allclose(found[expected.index], expected)
    silenced = table.set_index(["perturbation", "target"]).loc[("silence:B", "B")]
    assert silenced["effect_hz"] == pytest.approx(-silenced["intact_hz"])


@pytest.mark.parametrize("experiments", [{}, {"modes": Inactivation(kind="latent")}])
def test_without_any_applicable_experiment_the_tables_are_empty(teacher, tmp_path: Path, experiments) -> None:
    """A network of full rank has no latents."""
    recording, truth, networks = teacher
    assert inactivate(recording, networks, experiments).empty
    outcome = run_experiments(recording, networks, experiments, truth, settings=ExperimentSettings(readout=["step"]))
    inactivations = inactivation_table(outcome)
    empty_tables = {
        "inactivations": inactivations,
        "inactivation_timecourses": timecourse_table(outcome),
        "inactivation_units": unit_table(outcome),
    }
    for name, table in empty_tables.items():
        path = tmp_path / tables.TABLES[name].file
        tables.write(name, table, path)
        assert tables.read(name, path).empty
        assert tables.concatenate(name, [path, path]).empty
    interactions = interaction_table(outcome, inactivations)
    assert set(interactions["measure"]) <= {"transmitter_index", "generator_index"}, (
        "the only measures that need no experiment"
    )


def test_a_late_window_starts_from_the_recorded_state_of_its_onset(tmp_path: Path) -> None:
    recording, truth = small(tmp_path, process_noise=0.3)
    networks = known_networks(recording, truth)
    late = {"late": Inactivation(region="A", start_s=0.5)}
    settings = ExperimentSettings(groups=0)

    def effects_in(changed: xr.Dataset) -> Effects:
        return run_experiments(changed, networks, late, settings=settings).fit_effects

    second_half = recording.isel(time=slice(50, None))
    cut = inactivate(second_half, networks, {"late": Inactivation(region="A")}, settings=settings)
    whole = inactivate(recording, networks, late, truth, settings=settings)
    np.testing.assert_allclose(whole["effect_rms"], cut["effect_rms"])
    np.testing.assert_allclose(whole["true_rms"], cut["effect_rms"])
    # Where the bin of the onset is missing, runs start from the last state before the onset.
    missing, held = recording.copy(deep=True), recording.copy(deep=True)
    missing["rates"][0, 48:51] = np.nan
    held["rates"][0, 48:51] = recording["rates"][0, 47]
    effects, expected = (effects_in(changed) for changed in (missing, held))
    trials = recording.sizes["trial"]
    after = (slice(None), slice(None), slice(None), slice(51, None))
    np.testing.assert_allclose(effects.mean[after], expected.mean[after])
    assert effects.n_trials[0, 50] == trials - 1
    # A trial that begins after the onset starts from its first recorded state.
    late_start, held["rates"][:] = recording.copy(deep=True), recording["rates"]
    late_start["rates"][0, :52] = np.nan
    held["rates"][0, :52] = recording["rates"][0, 52]
    effects, expected = (effects_in(changed) for changed in (late_start, held))
    np.testing.assert_allclose(effects.mean[..., 52:, :], expected.mean[..., 52:, :])


def test_clamping_scaling_and_driving_have_the_effects_of_the_simulation(teacher) -> None:
    recording, truth, networks = teacher
    region = recording["region"].values
    chosen = np.isin(recording["unit_id"].values, ["A1", "B3"])
    on = {"kind": "units", "units": ["A1", "B3"], "strength": 0.5}
    intact = simulated_rates(recording, truth)
    everywhere = chosen | True
    cases = {
        "clamp": (
            -0.6,
            simulated_rates(recording, truth, rates_of=lambda r, t: np.where(chosen, 0.5 * r - 0.3, r)),
            ~chosen,
        ),
        "scale": (
            3.0,
            simulated_rates(recording, truth, rates_of=lambda r, t: np.where(chosen, 2.0 * r, r)),
            everywhere,
        ),
        "drive": (2.0, simulated_rates(recording, truth, current=1.0 * chosen), everywhere),
    }
    for action, (value, rates, read) in cases.items():
        experiment = Inactivation.model_validate(on | {"action": action, "value": value})
        table = inactivate(recording, networks, {"try": experiment}, truth)
        # The effect on a region is read from the units that are not held.
        assert_effects(table, (rates - intact)[..., read], region[read])
        assert set(table["perturbed_share"]) == {0.125, 0.0}


def test_only_excitatory_or_only_inhibitory_weights_can_be_cut(teacher) -> None:
    recording, truth, networks = teacher
    region, J = recording["region"].values, truth["J"].values
    table = inactivate(recording, networks, {"try": Inactivation(region="A", weights="excitatory")}, truth)
    left = np.where((region == "A") & (J > 0), 0, J)
    assert_effects(table, simulated_rates(recording, truth, left) - simulated_rates(recording, truth), region)
    one_way = Inactivation(kind="pathway", source="A", target="B", weights="inhibitory")
    table = inactivate(recording, networks, {"try": one_way}, truth)
    left = np.where(np.outer(region == "B", region == "A") & (J < 0), 0, J)
    assert_effects(table, simulated_rates(recording, truth, left) - simulated_rates(recording, truth), region)


def test_several_interventions_in_a_window_have_the_effect_of_the_simulation(teacher) -> None:
    recording, truth, networks = teacher
    region = recording["region"].values
    parts = [{"region": "A"}, {"kind": "input", "input": "sine"}]
    both = Inactivation.model_validate({"parts": parts, "start_s": 0.3, "stop_s": 0.6})
    outcome = run_experiments(recording, networks, {"both": both}, truth)
    time, u = recording["time"].values, recording["inputs"].values
    alpha = truth.attrs["dt_s"] / truth.attrs["tau_s"]
    inside = (time >= 0.3) & (time < 0.6)
    # Until the window begins, both runs are the recording itself, which contains noise.
    intact, rates = recording["rates"].values.copy(), recording["rates"].values.copy()
    for run, on in ((intact, np.zeros(len(time), bool)), (rates, inside)):
        x = np.arctanh(run[:, inside.argmax()])
        for t in range(inside.argmax(), len(time)):
            run[:, t] = np.where(on[t] & (region == "A"), 0, np.tanh(x))
            B = truth["B"].values * (np.array([0.0, 1.0]) if on[t] else 1.0)
            x = x + alpha * (run[:, t] @ truth["J"].values.T + u[:, t] @ B.T - x)
    effect = rates - intact
    courses = timecourse_table(outcome)
    assert tables.problems("inactivation_timecourses", courses) == []
    of_c = courses[courses.target == "C"].sort_values("time_s")
    np.testing.assert_allclose(of_c["effect_rms"], np.sqrt((effect[..., region == "C"] ** 2).mean((0, 2))), atol=1e-12)
    np.testing.assert_allclose(of_c["intact_mean"], intact[..., region == "C"].mean((0, 2)))
    np.testing.assert_allclose(of_c["true_rms"], of_c["effect_rms"])
    assert of_c["effect_rms"].iloc[-1] > 0, "the effect outlasts the window"
    units = unit_table(outcome).set_index("unit_id")
    assert tables.problems("inactivation_units", units.reset_index()) == []
    np.testing.assert_allclose(
        units["effect_mean"].loc[recording["unit_id"].values], effect[:, inside].mean((0, 1)), atol=1e-12
    )
    assert set(units[units["perturbed"]]["region"]) == {"A"}


def test_removing_a_latent_removes_its_component_of_the_connectivity(teacher) -> None:
    recording, truth, _ = teacher
    rng = np.random.default_rng(1)
    m, n = rng.standard_normal((24, 2)), rng.standard_normal((24, 2)) / 8
    network = true_network(truth)._replace(J=m @ n.T)
    model = Model(family="low_rank", seeds=[0])
    networks = to_dataset([Fit(network, factors=(m, n))], recording, "low", model)
    outcome = run_experiments(recording, networks, {"out": Inactivation(kind="latent", latent=2)})
    table = inactivation_table(outcome).set_index("target")
    effect = simulated_rates(recording, truth, np.outer(m[:, 0], n[:, 0])) - simulated_rates(recording, truth, m @ n.T)
    region = recording["region"].values
    assert table.loc["B", "effect_rms"] == pytest.approx(np.sqrt((effect[..., region == "B"] ** 2).mean()))
    assert table.loc["latent:1", "effect_rms"] == pytest.approx(np.sqrt(((effect @ n[:, 0]) ** 2).mean()))
    assert list(table["target_kind"]) == ["region"] * 3 + ["latent"] * 2


def test_effects_on_a_behavioural_readout_are_tabulated(teacher) -> None:
    recording, _, networks = teacher
    settings = ExperimentSettings(readout=["step"])
    outcome = run_experiments(recording, networks, {"off": Inactivation(region="C")}, settings=settings)
    row = inactivation_table(outcome).set_index("target").loc["readout:step"]
    assert row["readout_r2"] > 0.1, "the step drives region C"
    assert row["effect_rms"] > 0.05
    assert row["q_value"] == row["p_value"] <= 1, "the only effect on a readout"


def test_chunks_of_limited_memory_change_no_effect(teacher) -> None:
    recording, truth, networks = teacher
    experiments = {
        "silence": Inactivation(),
        "cut": Inactivation(kind="pathway"),
        "late": Inactivation(region="A", start_s=0.5),
    }
    whole, chunked = (
        inactivation_table(
            run_experiments(
                recording,
                networks,
                experiments,
                truth,
                settings=ExperimentSettings(groups=2),
                max_states=max_states,
            )
        )
        for max_states in (None, 24 * 9 * 8)
    )
    pd.testing.assert_frame_equal(chunked, whole, rtol=1e-9)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """A recording with a fit that has a posterior, and the truth."""
    recording, truth = small(tmp_path_factory.mktemp("fitted"), process_noise=0.3, trials=8)
    return recording, fit(recording, Model(family="full_rank", seeds=[0], tau_s=0.1), "one_step").networks, truth


def test_networks_that_are_simulated_in_parts_have_the_same_effects(fitted, monkeypatch: pytest.MonkeyPatch) -> None:
    recording, networks, truth = fitted
    settings = ExperimentSettings(groups=2, posterior_draws=4, noise_draws=2)

    def table() -> pd.DataFrame:
        outcome = run_experiments(recording, networks, {"off": Inactivation(region="A")}, truth, settings=settings)
        return inactivation_table(outcome)

    together = table()
    monkeypatch.setattr("curbd.inactivation.effects.STATES_OF_PART", 1)
    # Sums over members come in another order.
    pd.testing.assert_frame_equal(table(), together, rtol=1e-9)


def test_single_precision_changes_effects_by_far_less_than_their_error(fitted, monkeypatch: pytest.MonkeyPatch) -> None:
    recording, networks, _ = fitted
    experiments = {"off": Inactivation(), "cut": Inactivation(kind="pathway", source="A", target="B")}
    double = inactivate(recording, networks, experiments)
    monkeypatch.setattr("curbd.network.equation.SINGLE_PRECISION_UNITS", 1)
    single = inactivate(recording, networks, experiments)
    standard_error = (double["ci_high"] - double["ci_low"]) / 4
    difference = (single["effect_mean"] - double["effect_mean"]).abs()
    assert difference.max() > 0
    assert (difference < 1e-3 * standard_error).all()
    np.testing.assert_allclose(single["effect_rms"], double["effect_rms"], rtol=1e-4)
    pd.testing.assert_series_equal(single["verdict"], double["verdict"])


def test_only_trials_of_the_chosen_condition_are_perturbed(tmp_path: Path) -> None:
    recording, truth = small(tmp_path)
    recording["condition"] = ("trial", recording["side"].values)
    networks = known_networks(recording, truth)
    both = inactivate(recording, networks, {"off": Inactivation(region="A")})
    left = inactivate(recording, networks, {"off": Inactivation(region="A", conditions=["left"])})
    assert set(left["condition"]) == {"left"}
    left_of_both = both[both["condition"] == "left"].reset_index(drop=True)
    pd.testing.assert_frame_equal(left.drop(columns="q_value"), left_of_both.drop(columns="q_value"))


def test_shared_noise_leaves_an_effect_of_0_at_0(tmp_path: Path) -> None:
    recording, truth = small(tmp_path, absent=[("C", "A"), ("B", "A")])
    networks = known_networks(recording, truth)
    settings = ExperimentSettings(noise_draws=3, groups=0)
    table = inactivate(recording, networks, {"off": Inactivation(region="A")}, settings=settings).set_index("target")
    assert table.loc["C", "effect_rms"] == 0, "the intact and the perturbed run receive the same noise"


def test_noise_adds_its_variance_to_the_effect_on_a_unit_in_its_linear_range(tmp_path: Path) -> None:
    """A silenced unit without inputs loses its own rate: x(t) = k^t x(0) + noise of variance sd^2 (1 + k^2 + ...).

    x stays near 0, where tanh(x) = x, and k = 1 - (1 - J) dt / tau. The three units of the region are not connected.
    """
    recording, truth = small(tmp_path, regions=["A"], units=3, trials=70, samples=40, inputs="none")
    weight, noise_sd = 0.5, 1e-3
    noisy_runs = ExperimentSettings(noise_draws=25, groups=0)
    recording["rates"] = 0.01 * recording["scale"] * xr.ones_like(recording["rates"])
    network = true_network(truth)._replace(J=weight * np.eye(3))
    fit = Fit(network, process_noise_sd=np.full(3, noise_sd))
    networks = to_dataset([fit], recording, "single units", Model(family="full_rank", seeds=[0]))
    off = {"off": Inactivation(region="A")}
    quiet, noisy = (
        inactivate(recording, networks, off, settings=settings)["effect_rms"].item()
        for settings in (ExperimentSettings(groups=0), noisy_runs)
    )
    keep = 1 - (1 - weight) * network.dt_s / network.tau_s
    variance = noise_sd**2 * np.cumsum(np.append(0, keep ** (2 * np.arange(39)))).mean()
    assert quiet == pytest.approx(0.01 * np.sqrt((keep ** (2 * np.arange(40))).mean()), rel=1e-3)
    # 5250 runs of a unit, with errors that are correlated over some 20 bins, estimate the variance to about 2 %.
    assert noisy**2 - quiet**2 == pytest.approx(variance, rel=0.08)


def test_intervals_contain_the_true_effect(tmp_path: Path) -> None:
    """One fit of 24 units under three perturbations: about 95 % are covered; a benchmark measures the exact share."""
    recording, truth = small(tmp_path, process_noise=0.3, trials=20)
    networks, _ = fit(recording, Model(family="full_rank", seeds=[0], tau_s=0.1), "one_step")
    outcome = run_experiments(
        recording, networks, {"off": Inactivation(stop_s=0.4)}, truth, settings=ExperimentSettings(groups=0)
    )
    units = unit_table(outcome)
    unperturbed = units[~units["perturbed"]]
    covered = unperturbed["true_mean"].between(unperturbed["ci_low"], unperturbed["ci_high"])
    assert 0.8 < covered.mean() < 1
    assert (unperturbed["ci_low"] < unperturbed["ci_high"]).all()


def test_the_expected_effect_is_the_mean_over_networks_drawn_from_the_posterior(tmp_path: Path) -> None:
    recording, truth = small(tmp_path, process_noise=0.3, trials=8)
    networks, _ = fit(recording, Model(family="full_rank", seeds=[0], tau_s=0.1), "one_step")
    settings = ExperimentSettings(groups=0, posterior_draws=5)
    outcome = run_experiments(recording, networks, {"off": Inactivation(region="A")}, truth, settings=settings)
    x0, u = np.arctanh(recording["rates"].values[:, 0]), recording["inputs"].values
    a, b = (recording["region"].values == name for name in "AB")
    gain = np.where(a, 0.0, 1.0) * np.ones((1, recording.sizes["time"], 1))

    def effect(network: Network) -> np.ndarray:
        return (simulate(network, x0, u, gain=gain) - simulate(network, x0, u))[..., b]

    drawn = np.stack([effect(network) for network in view(recording, networks).draws(5, 0)])
    true, expected = effect(true_network(truth)), drawn.mean(0)
    row = inactivation_table(outcome).set_index("target").loc["B"]
    assert row["expected_rms"] == pytest.approx(np.sqrt((drawn**2).mean()))
    assert row["expected_mean"] == pytest.approx(expected.mean())
    assert row["expected_true_r2"] == pytest.approx(1 - ((expected - true) ** 2).mean() / (true**2).mean())
    units = unit_table(outcome).set_index("unit_id")["expected_mean"]
    np.testing.assert_allclose(units[recording["unit_id"].values[b]], expected.mean((0, 1)))
