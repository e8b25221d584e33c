"""Predicted and measured effects of real perturbations: a second computation, and no effect where none exists."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from curbd import tables, teachers
from curbd.cli import main
from curbd.errors import UserError
from curbd.estimators.fitting import fit
from curbd.inactivation import run_experiments
from curbd.inactivation.comparison import compare
from curbd.inactivation.measured_effects import measure
from curbd.inactivation.tabulate import inactivation_table, unit_table
from curbd.pathways.judge import judge
from curbd.settings.experiments import ExperimentSettings, Inactivation
from curbd.settings.models import Model
from curbd.storage.netcdf import groups_of, read_netcdf, write_netcdf
from tests.support.plans import write_plan

UNITS, REGION = [f"u{index}" for index in range(9)], ["A"] * 3 + ["B"] * 3 + ["C"] * 3
EFFECT = np.array([-0.5, -0.5, -0.5, 0.3, -0.2, 0.1, 0.0, 0.0, 0.0])
ENDINGS = (".nc", ".csv", ".parquet", ".json")
TIME = 0.05 + 0.1 * np.arange(10)


def trials(rng, conditions, effect, **coords):
    """Noise of .05 about a mean for each condition; the effect acts from .3 to .7 s."""
    mean = np.where(np.array(conditions) == "left", 0.1, 0.3)
    rates = mean[:, None, None] + 0.05 * rng.standard_normal((len(conditions), 10, 9))
    rates[:, 3:7] += effect
    return xr.Dataset(
        {"rates": (("trial", "time", "unit"), rates)},
        coords={
            "time": TIME,
            "condition": ("trial", list(conditions)),
            "unit_id": ("unit", UNITS),
            "region": ("unit", REGION),
            "scale": ("unit", np.ones(9)),
            **coords,
        },
        attrs={"recording": "rec", "activity": "model", "dt_s": 0.1},
    )


@pytest.fixture
def recording(rng):
    return trials(rng, ["left"] * 12 + ["right"] * 8, 0.0)


@pytest.fixture
def perturbed(rng, recording):
    conditions = ["left"] * 4 + ["right"] * 12
    return trials(rng, conditions, EFFECT, perturbation=("trial", ["off"] * 16))


def predictions(effect, supported=("B",), conditions=("left", "right")):
    """The tables inactivations and inactivation_units of an experiment that silences A from .3 to .7 s, for one fit."""
    identity = {"recording": "rec", "model": "m", "seed": 0, "perturbation": "off:A", "experiment": "off"}
    rows = [identity | {"condition": condition} for condition in conditions]
    inactivations = pd.DataFrame(
        row
        | {
            "target": name,
            "start_s": 0.3,
            "stop_s": 0.7,
            "verdict": "supported" if name in supported else "unsupported",
        }
        for row in rows
        for name in "ABC"
    )
    units = pd.DataFrame(
        row
        | {
            "unit_id": unit,
            "perturbed": region == "A",
            "effect_mean": effect[index] * (2.0 if row["condition"] == "left" else 1.0),
            "ci_low": effect[index] - 0.1,
            "ci_high": effect[index] + 0.1,
        }
        for row in rows
        for index, (unit, region) in enumerate(zip(UNITS, REGION, strict=True))
    )
    return inactivations, units


def of_regions(rows):
    """The rows about the prediction of the network for whole regions."""
    chosen = (rows["unit_id"] == "") & (rows["baseline"] == "model") & (rows["target"] != "all regions")
    return rows[chosen].set_index("target")


def test_the_measured_effect_is_a_difference_of_means_within_conditions(recording, perturbed) -> None:
    measured = measure(recording, perturbed, 0.3, 0.7)
    on, off = perturbed["rates"].values[:, 3:7].mean(1), recording["rates"].values[:, 3:7].mean(1)
    conditions = [(on[:4], off[:12], 4 / 16), (on[4:], off[12:], 12 / 16)]
    effect = sum(share * (lit.mean(0) - dark.mean(0)) for lit, dark, share in conditions)
    np.testing.assert_allclose(measured.effect, effect, atol=1e-12)
    variance = sum(
        share**2 * (lit.var(0, ddof=1) / len(lit) + dark.var(0, ddof=1) / len(dark)) for lit, dark, share in conditions
    )
    np.testing.assert_allclose(measured.standard_error, np.sqrt(variance), atol=1e-12)
    # The condition with the larger mean is more frequent with the laser, which must not count as an effect.
    assert np.abs(measured.effect[6:]).max() < 0.05


def test_trials_with_missing_bins_in_the_window_are_left_out(recording, perturbed) -> None:
    lost = recording.copy(deep=True)
    lost["rates"][0, 5] = np.nan
    lost["rates"][1, 9] = np.nan
    assert (measure(lost, perturbed, 0.3, 0.7).weight < 0).sum() == 19


def test_perturbed_and_unperturbed_trials_are_compared_in_the_same_bins(recording, perturbed) -> None:
    whole = measure(recording, perturbed, 0.3, 0.7)
    # Rates rise over the trial: a comparison of different bins would look like an effect.
    slope = xr.DataArray(TIME, dims="time")
    rising, lit = (trials.assign(rates=trials["rates"] + slope) for trials in (recording, perturbed))
    shorter = lit.isel(time=slice(2, 8)).assign_coords(time=TIME[2:8] + 1e-12)
    np.testing.assert_allclose(measure(rising, shorter, 0.3, 0.7).effect, whole.effect, atol=1e-12)
    for bins in (slice(4, None), slice(6)):
        with pytest.raises(UserError, match=r"cover 0\.3 to 0\.7 s"):
            measure(rising, lit.isel(time=bins), 0.3, 0.7)


def test_p_values_are_uniform_where_the_perturbation_has_no_effect(rng) -> None:
    p = []
    for _ in range(100):
        off, on = (trials(rng, ["left"] * 10, 0.0) for _ in range(2))
        p.append(measure(off, on, 0.3, 0.7).p_value(np.arange(6, 9)))
    # The mean of 100 uniform numbers is .5 with a standard deviation of .03.
    assert abs(np.mean(p) - 0.5) < 0.1
    assert np.mean(np.array(p) <= 0.1) < 0.25


def test_prediction_and_baselines_are_scored_over_units(recording, perturbed) -> None:
    rows = compare(recording, perturbed, *predictions(EFFECT / 1.25))
    whole = of_regions(rows)
    assert set(whole.index) == {"B", "C"}
    b = whole.loc["B"]
    # Left has a quarter of the perturbed trials and twice the effect: the mean is 1.25 times that of right.
    units = rows[(rows["unit_id"] != "") & (rows["target"] == "B")].set_index("unit_id")
    np.testing.assert_allclose(units["predicted"], EFFECT[3:6], atol=1e-12)
    effect = measure(recording, perturbed, 0.3, 0.7).effect[3:6]
    np.testing.assert_allclose(units["measured"], effect, atol=1e-12)
    assert b["r"] > 0.99
    assert b["r2"] == pytest.approx(1 - ((effect - EFFECT[3:6]) ** 2).sum() / (effect**2).sum())
    mean_of_others = np.array([effect[[1, 2]].mean(), effect[[0, 2]].mean(), effect[[0, 1]].mean()])
    assert b["r2_mean_effect"] == pytest.approx(1 - ((effect - mean_of_others) ** 2).sum() / (effect**2).sum())
    assert b["ceiling_r"] > 0.99
    assert (b["n_perturbed"], b["n_unperturbed"]) == (16, 20)


def test_the_map_over_regions_is_compared_with_chance_and_with_plain_predictions(recording, perturbed) -> None:
    rows = compare(recording, perturbed, *predictions(EFFECT / 1.25))
    assert tables.problems("perturbation_comparison", rows) == []
    of_b = rows[(rows["target"] == "B") & (rows["unit_id"] == "")].set_index("baseline")
    named = {"model", "none", "constant", "correlation", "correlation_without_global", "sd_at_rest"}
    assert named <= set(of_b.index)
    assert of_b.loc["none", "r2"] == 0
    assert of_b.loc["constant", "r2"] == of_b.loc["model", "r2_mean_effect"]
    assert of_b.loc["model", "r"] > of_b.loc["sd_at_rest", "r"]
    over_regions = rows[rows["target"] == "all regions"].set_index("baseline")
    assert named <= set(over_regions.index)
    assert over_regions.loc["model", "measured_effect"] == "effect"


def test_a_drive_of_the_wrong_size_is_told_and_corrected(recording, perturbed) -> None:
    inactivations, units = predictions(EFFECT / 1.25)
    weak = units.assign(effect_mean=units["effect_mean"] / 20)
    whole = of_regions(compare(recording, perturbed, inactivations, weak)).loc["B"]
    assert whole["drive_ratio"] == pytest.approx(20, rel=0.1)
    assert whole["r2"] < 0.2 < 0.9 < whole["r2_scaled"]


def test_a_prediction_without_support_is_not_a_prediction_of_nothing(recording, perturbed) -> None:
    whole = of_regions(compare(recording, perturbed, *predictions(EFFECT, supported=())))
    assert whole["predicted_effect"].to_dict() == {"B": "not_supported", "C": "none"}


def test_each_trial_is_compared_with_its_own_baseline_where_asked(recording, perturbed, rng) -> None:
    # Activity that drifts from trial to trial hides the effect unless every trial is its own control.
    off, on = (each.copy(deep=True) for each in (recording, perturbed))
    for each in (off, on):
        each["rates"] += rng.standard_normal(each.sizes["trial"])[:, None, None] * xr.ones_like(each["rates"])
    window = {"baseline_start_s": ("trial", np.zeros(16)), "baseline_stop_s": ("trial", np.full(16, 0.3))}
    np.testing.assert_allclose(measure(off, on.assign_coords(window), 0.3, 0.7).effect, EFFECT, atol=0.1)
    assert np.abs(measure(off, on, 0.3, 0.7).effect - EFFECT).max() > 0.1


def test_intervals_resample_the_animals_that_the_settings_name(recording, perturbed) -> None:
    groups = np.repeat(["m1", "m2", "m3", "m4"], 4)
    off = recording.assign_coords(mouse=("trial", np.resize(groups, 20)))
    on = perturbed.assign_coords(group=("trial", groups), group_column=("trial", ["mouse"] * 16))
    assert set(measure(off, on, 0.3, 0.7).group) == {"m1", "m2", "m3", "m4"}
    assert len(set(measure(recording, perturbed, 0.3, 0.7).group)) == 36


def test_a_region_without_effect_is_reported_as_none(recording, perturbed) -> None:
    rows = compare(recording, perturbed, *predictions(EFFECT))
    whole = of_regions(rows)
    assert whole.loc["B", ["measured_effect", "predicted_effect"]].tolist() == ["effect", "effect"]
    assert whole.loc["C", ["measured_effect", "predicted_effect"]].tolist() == ["none", "none"]
    assert whole.loc["B", "p_value"] <= 0.01 < whole.loc["C", "p_value"]
    assert np.isnan(whole.loc["C", "r"])


def test_only_trials_of_the_conditions_of_the_experiment_are_compared(recording, perturbed) -> None:
    rows = compare(recording, perturbed, *predictions(EFFECT, conditions=("left",)))
    assert tables.problems("perturbation_comparison", rows) == []
    assert set(zip(rows["n_perturbed"], rows["n_unperturbed"], strict=True)) == {(4, 12)}
    on, off = perturbed["rates"].values[:4, 3:7].mean((0, 1)), recording["rates"].values[:12, 3:7].mean((0, 1))
    units = rows[rows["unit_id"] != ""].set_index("unit_id").loc[UNITS[3:]]
    np.testing.assert_allclose(units["measured"], (on - off)[3:], atol=1e-12)
    np.testing.assert_allclose(units["predicted"], 2 * EFFECT[3:])


def test_an_experiment_without_perturbations_is_refused(recording, perturbed) -> None:
    with pytest.raises(UserError, match=r"inactivations\.off: found no perturbations, expected a single perturbation"):
        compare(recording, perturbed, *(table.head(0) for table in predictions(EFFECT)))


def test_a_missing_file_is_named(steps, tmp_path, capsys) -> None:
    folder, _ = steps
    good = {"recording": "recording.nc", "inactivations": "effects.csv", "units": "units.parquet"}
    for flag, name in good.items():
        files = {key: folder / file for key, file in good.items()} | {flag: folder / f"missing.{name}"}
        arguments = [text for key, path in files.items() for text in (f"--{key}", str(path))]
        assert main(["compare", *arguments, "--out", str(tmp_path / "no.csv")]) == 2
        assert f"missing.{name}: found no such file" in capsys.readouterr().err


def test_an_experiment_with_several_perturbations_is_refused(recording, perturbed) -> None:
    inactivations, units = predictions(EFFECT)
    several = pd.concat([inactivations, inactivations.assign(perturbation="off:B")])
    with pytest.raises(UserError, match="2 perturbations"):
        compare(recording, perturbed, several, units)


def test_perturbed_trials_without_an_unperturbed_counterpart_are_refused(recording, perturbed) -> None:
    with pytest.raises(UserError, match=r"windows\.conditions"):
        compare(recording, perturbed.assign_coords(condition=("trial", ["lit"] * 16)), *predictions(EFFECT))


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """A laser that silences A, from the file of a teacher to the comparison, step by step as users run them."""
    folder = tmp_path_factory.mktemp("laser")
    light = teachers.Laser("A", 0.2, 0.6)
    absent = [("C", "A"), ("C", "B")]
    teacher = teachers.multi_region(
        units=8, trials=80, samples=80, substeps=1, gain=0.8, coupling=0.8, absent=absent, laser=light, seed=104
    )
    teachers.write_hdf5(teacher, folder / "laser.h5")
    settings = {"perturbed": [{"column": "laser", "value": "on", "like": "off"}]}
    experiment = {"off": {"region": "A", "action": "clamp", "value": -1, "start_s": 0.2, "stop_s": 0.6}}
    path = folder / "laser.h5"
    write_plan(folder, path, defaults=settings, inactivations=experiment)

    def step(command, recording="recording.nc", **flags):
        """One call of the command line; flags that name files get the path in the folder."""
        arguments = [command, *(["--recording", str(folder / recording)] if recording else [])]
        for flag, value in flags.items():
            arguments += [f"--{flag.replace('_', '-')}", str(folder / value) if value.endswith(ENDINGS) else value]
        assert main(arguments) == 0

    step("ingest", "", name="rec", path=str(path), format="hdf5", plan="plan.json", out="recording.nc")
    step("experiments", plan="plan.json", out="experiments.json")
    recording = read_netcdf(folder / "recording.nc")
    networks, _ = fit(recording, Model(family="full_rank", seeds=[0], tau_s=0.1), "m")
    write_netcdf({"/": networks}, folder / "network.nc")
    tables.write("pathways", judge(recording, networks), folder / "pathways.csv")
    files = {"network": "network.nc", "pathways": "pathways.csv", "out": "effects.csv", "units": "units.parquet"}
    step("inactivate", experiments="experiments.json", **files)
    step("compare", inactivations="effects.csv", units="units.parquet", out="comparison.csv")
    return folder, teacher


def test_the_effect_of_a_laser_is_predicted_from_the_trials_without_laser(steps) -> None:
    folder, teacher = steps
    on = (teacher.trials["laser"] == "on").to_numpy()
    assert groups_of(folder / "recording.nc") == {"truth", "perturbed"}
    np.testing.assert_array_equal(read_netcdf(folder / "recording.nc")["rates"], teacher.rates[~on])
    rows = tables.read("perturbation_comparison", folder / "comparison.csv")
    assert tables.problems("perturbation_comparison", rows) == []
    whole = of_regions(rows)
    assert whole["measured_effect"].to_dict() == {"B": "effect", "C": "none"}
    assert whole["predicted_effect"].to_dict() == {"B": "effect", "C": "none"}
    assert whole.loc["B", "r"] > 0.9
    assert whole.loc["B", "r2"] > max(0.8, whole.loc["B", "r2_mean_effect"])
    b = teacher.region == "B"
    lit = slice(20, 60)
    measured = teacher.rates[on][:, lit][..., b].mean((0, 1)) - teacher.rates[~on][:, lit][..., b].mean((0, 1))
    np.testing.assert_allclose(rows[(rows["target"] == "B") & (rows["unit_id"] != "")]["measured"], measured)


def test_a_drive_can_move_the_units_by_as_much_as_was_measured(steps) -> None:
    folder, _ = steps
    recording, perturbed = read_netcdf(folder / "recording.nc"), read_netcdf(folder / "recording.nc", "perturbed")
    networks = read_netcdf(folder / "network.nc")
    light = {"off": Inactivation(region="A", action="drive", value="measured", start_s=0.2, stop_s=0.6)}
    settings = ExperimentSettings(groups=0, posterior_draws=3)
    outcome = run_experiments(recording, networks, light, settings=settings, perturbed=perturbed)
    rows = compare(recording, perturbed, inactivation_table(outcome), unit_table(outcome))
    whole = of_regions(rows)
    np.testing.assert_allclose(whole.loc["B", "drive_ratio"], 1.0)
    assert whole.loc["B", "r2"] > 0.8
    driven = unit_table(outcome).query("perturbed").groupby("unit_id")["effect_mean"].mean()
    units = perturbed["region"].values == "A"
    # The window begins with the bin at .2 s and ends before the bin at .6 s.
    measured = measure(recording, perturbed, 0.195, 0.595).effect[units]
    np.testing.assert_allclose(driven.to_numpy(), measured, atol=1e-9)
    with pytest.raises(UserError, match="found measured, expected perturbed trials"):
        run_experiments(recording, networks, light, settings=settings)


def test_an_experiment_for_perturbed_trials_must_be_a_single_perturbation_before_the_fit(
    steps, tmp_path, capsys
) -> None:
    folder, _ = steps
    several = write_plan(tmp_path, folder / "laser.h5", inactivations={"off": {"kind": "region"}})
    arguments = ["--plan", str(several), "--out", str(folder / "no.json")]
    assert main(["experiments", "--recording", str(folder / "recording.nc"), *arguments]) == 2
    assert "found 3 perturbations (off:A, off:B, off:C), expected a single perturbation" in capsys.readouterr().err
