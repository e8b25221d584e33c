"""The steps of the workflow on a population teacher: counts in HDF5, fit, currents, experiments, and their tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from curbd import tables
from curbd.cli import main as curbd_main
from curbd.settings.plan import load_plan
from curbd.settings.plan_reading import read_plan
from curbd.storage.netcdf import read_netcdf, write_netcdf
from curbd.tables.collect import collect_run
from curbd.teachers import write_populations
from curbd.teachers.populations import PopulationTeacher, populations
from lrfit.cli import main as lrfit_main
from lrfit.population_network.file import fitted_of
from lrfit.population_network.view import population_views

REGIONS = np.array(["A", "B"])
EXPERIMENTS = {
    "silence": {"kind": "region"},
    "half": {"kind": "region", "region": "A", "strength": 0.5},
    "cut": {"kind": "pathway", "source": "A", "target": "B"},
    "no_input": {"kind": "input"},
    "drive": {"kind": "region", "region": "A", "action": "drive", "value": 0.5, "start_s": 0.5},
    "few": {"kind": "region", "fraction": 0.5},
}


class Done(NamedTuple):
    """A teacher, and the results of all steps on its counts."""

    teacher: PopulationTeacher
    folder: Path
    tables: Mapping[str, pd.DataFrame]
    recording: xr.Dataset
    networks: xr.Dataset
    current: xr.DataArray


def run_steps(folder: Path, teacher: PopulationTeacher) -> None:
    """Run every step of the workflow that a population network has."""
    write_populations(teacher, folder / "teacher.h5")
    (folder / "recordings.tsv").write_text("recording\tpath\tformat\nt\tteacher.h5\thdf5\n")
    config = {
        "recordings": str(folder / "recordings.tsv"),
        "results": str(folder),
        "defaults": {"windows": {"conditions": ["condition"]}},
        "models": {"p": {"family": "low_rank", "estimator": "population", "options": {"max_dimensions": 3}}},
        "inactivations": EXPERIMENTS,
        "bench": {"posterior_draws": 5, "readout": ["step"]},
        "verdict_windows_s": 0.5,
    }
    plan = folder / "plan.json"
    plan.write_text(read_plan(config).to_json())
    recording, network = folder / "recording.nc", folder / "network.nc"
    source = ["--name", "t", "--path", str(folder / "teacher.h5"), "--format", "hdf5", "--plan", str(plan)]
    labels = ["--units", str(folder / "units.csv"), "--regions", str(folder / "regions.csv")]
    assert not curbd_main(["ingest", *source, "--model", "p", "--out", str(recording), *labels])
    assert not curbd_main(
        ["experiments", "--recording", str(recording), "--plan", str(plan), "--out", str(folder / "experiments.json")]
    )

    def step(name: str, *options: str, **files: str) -> None:
        named = [word for key, file in files.items() for word in (f"--{key.replace('_', '-')}", str(folder / file))]
        assert not lrfit_main([name, "--recording", str(recording), *options, *named])

    step(
        "fit",
        *("--name", "p", "--plan", str(plan)),
        out="network.nc",
        fits="fits.csv",
        region_scores="region_scores.csv",
        unit_scores="unit_scores.csv",
        constraints="constraints.csv",
    )
    fitted = ("--network", str(network))
    step(
        "currents",
        *fitted,
        out="currents.nc",
        table="currents.parquet",
        pathways="pathways.csv",
        nulls="nulls.csv",
        balance="balance.parquet",
    )
    step(
        "inactivate",
        *fitted,
        experiments="experiments.json",
        pathways="pathways.csv",
        out="inactivations.csv",
        timecourses="inactivation_timecourses.parquet",
        units="inactivation_units.parquet",
        interactions="interactions.csv",
    )
    step("latents", *fitted, out="latents.parquet")
    step("windows", *fitted, "--plan", str(plan), out="pathway_windows.csv")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A drives B, and nothing comes back."""
    teacher = populations(
        regions=2, units=100, recorded=20, trials=100, bins=50, rate_hz=20.0, absent=[(0, 1)], silencing=True, seed=410
    )
    folder = tmp_path_factory.mktemp("steps")
    run_steps(folder, teacher)
    names = ("fits", "region_scores", "currents", "pathways", "nulls", "inactivations", "inactivation_timecourses")
    names += ("inactivation_units", "interactions", "latents", "pathway_windows")
    return Done(
        teacher=teacher,
        folder=folder,
        tables={name: tables.read(name, folder / tables.TABLES[name].file) for name in names},
        recording=read_netcdf(folder / "recording.nc"),
        networks=read_netcdf(folder / "network.nc"),
        current=read_netcdf(folder / "currents.nc")["current"],
    )


def pathway(done: Done, target: str, source: str) -> pd.Series:
    return done.tables["pathways"].set_index(["target", "source"]).loc[(target, source)]


def test_verdicts_are_about_populations_and_give_reasons(done: Done) -> None:
    rows = done.tables["pathways"]
    assert set(rows["level"]) == {"population"}
    present, absent = pathway(done, "B", "A"), pathway(done, "A", "B")
    assert present["evidence_nats"] > 10 > absent["evidence_nats"]
    assert absent["verdict"] == "unresolved"
    assert "nats of log likelihood" in absent["reason"]
    assert present["share"] > 0.02 > absent["share"]
    assert present["q_value"] < 0.01
    assert absent["p_value"] > 0.01
    assert rows.loc[~rows["source"].isin(REGIONS) | (rows["source"] == rows["target"]), "p_value"].isna().all()
    assert (rows["share"] <= 1).all()
    assert rows.groupby("target")["share"].sum().to_numpy() == pytest.approx(1, abs=1e-6)


def test_shares_of_regions_have_intervals_that_hold_the_true_shares(done: Done) -> None:
    rows = done.tables["pathways"].set_index(["target", "source"])
    of_regions = rows[rows.index.get_level_values("source").isin(REGIONS)]
    assert (of_regions["share_low"] <= of_regions["share"]).all()
    assert (of_regions["share"] <= of_regions["share_high"]).all()
    assert rows.drop(of_regions.index)[["share_low", "share_high"]].isna().all(axis=None)
    # There is no pathway from B to A, and the interval of its share begins at exactly 0.
    assert rows.loc[("A", "B"), "share_low"] == 0
    assert rows.loc[("B", "A"), "share_low"] > rows.loc[("A", "B"), "share_high"]


def test_every_window_has_a_verdict_of_its_own(done: Done) -> None:
    rows = done.tables["pathway_windows"]
    # The first of the bins of .02 s is centred at 0.
    limits = np.array([[-0.01, 0.49], [0.49, 0.99]])
    assert rows[["start_s", "stop_s"]].drop_duplicates().to_numpy() == pytest.approx(limits)
    names = done.tables["pathways"][["target", "source"]]
    for _, window in rows.groupby("start_s"):
        assert window[["target", "source"]].equals(names.set_index(window.index))
        by_pathway = window.set_index(["target", "source"])
        present, absent = by_pathway.loc[("B", "A")], by_pathway.loc[("A", "B")]
        assert present["evidence_nats"] > 3 > absent["evidence_nats"]
        assert present["p_value"] < 0.05
        assert absent["verdict"] == "unresolved"


def test_currents_are_compared_with_the_truth_of_the_file(done: Done) -> None:
    into, true = done.teacher.region == 1, done.teacher.current[0] * done.teacher.gain
    fitted = done.current.sel(source="A")[0].values[..., into]
    present, absent = pathway(done, "B", "A"), pathway(done, "A", "B")
    # The file of currents has single precision.
    assert present["true_r"] == pytest.approx(np.corrcoef(fitted.ravel(), true[..., into].ravel())[0, 1], abs=1e-4)
    assert 0.5 < present["true_ratio"] < 2
    assert present["true_r2"] > 0.4
    assert np.isnan(absent["true_r"])
    assert np.isnan(pathway(done, "A", "input:step")["true_r"])


def test_scores_are_compared_with_shuffled_trials(done: Done) -> None:
    rows = done.tables["nulls"].set_index(["target", "source"])
    assert set(rows.index) == {("A", "B"), ("B", "A")}
    assert set(rows["null"]) == {"trial_shuffle"}
    assert set(rows["measure"]) == {"score"}
    present = rows.loc[("B", "A")]
    assert present["statistic"] > present["null_high"] > present["null_mean"] > present["null_low"]
    assert present["p_value"] == pytest.approx(1 / 200)


def test_currents_sum_to_the_current_into_the_unit_and_agree_with_the_true_current(done: Done) -> None:
    assert done.current.dims == ("seed", "source", "trial", "time", "unit")
    assert done.current.attrs["units"] == "units of the log rate"
    assert done.current["source"].values.tolist() == ["A", "B", "input:step", "input:evoked", "bias"]
    view = population_views(done.recording, done.networks)[0]
    model, z = view.fitted.model, view.z
    total = z @ np.concatenate([model.A, model.G], 1).T @ (model.C / (1 - model.leak)).T
    np.testing.assert_allclose(done.current[0].sum("source"), total, atol=1e-5)  # single precision in the file
    into = done.teacher.region == 1
    true = (done.teacher.current[0] * done.teacher.gain)[..., into]
    fitted = done.current.sel(source="A")[0].values[..., into]
    # Twenty of a hundred units are seen, so that a third of the variance may be missed.
    assert np.corrcoef(fitted.ravel(), true.ravel())[0, 1] > 0.8


def test_the_file_of_the_network_gives_back_the_fit(done: Done, tmp_path: Path) -> None:
    write_netcdf({"/": done.networks}, tmp_path / "again.nc")
    first, again = (fitted_of(networks, 0) for networks in (done.networks, read_netcdf(tmp_path / "again.nc")))
    for before, after in zip(first.model, again.model, strict=True):
        np.testing.assert_array_equal(before, after)
    for before, after in zip(first.paths, again.paths, strict=True):
        np.testing.assert_array_equal(before, after)
    assert done.networks["latent_region"].values.tolist() == ["A", "A", "B", "B"]


def test_intervals_are_those_of_the_net_current(done: Done) -> None:
    rows = done.tables["currents"]
    assert set(rows["sign"]) == {"net"}
    of_regions = rows[rows["source"].isin(["A", "B"])]
    assert (of_regions["ci_low"] < of_regions["mean"]).all()
    assert (of_regions["mean"] < of_regions["ci_high"]).all()


def test_scores_are_bits_per_spike_with_baselines(done: Done) -> None:
    fits = done.tables["fits"].set_index("split")
    assert fits.loc["test", "cosmoothing_bits_per_spike"] > 0.02
    assert fits["one_step_r2"].isna().all()
    regions = done.tables["region_scores"]
    held_out = regions[regions["split"] == "test"].set_index(["score", "region"])
    assert held_out["glm_bits_per_spike"].notna().all()
    for score in ("cosmoothing", "forward"):
        whole = held_out.loc[(score, "all regions")]
        assert whole["bits_per_spike"] > whole["average_bits_per_spike"]
    units = pd.read_csv(done.folder / "unit_scores.csv")
    assert len(units) == 40
    assert units["cosmoothing_bits_per_spike"].median() > 0


def test_the_past_of_the_driving_region_adds_to_the_forward_prediction_of_the_driven_region(done: Done) -> None:
    scores = done.tables["region_scores"]
    scores = scores[(scores["score"] == "forward") & (scores["split"] == "test")].set_index("region")
    gain = scores["bits_per_spike"] - scores["own_region_bits_per_spike"]
    assert gain["B"] > 0.002 > 2 * gain["A"]
    present, absent = pathway(done, "B", "A"), pathway(done, "A", "B")
    assert present["forward_nats"] > 2 * present["forward_error"] > 0
    assert absent["forward_nats"] < 2 * absent["forward_error"]


def test_silencing_a_region_has_the_true_effect(done: Done) -> None:
    units = done.tables["inactivation_units"]
    rows = units[(units["perturbation"] == "silence:A") & (units["region"] == "B")]
    into, teacher = done.teacher.region == 1, done.teacher
    change = teacher.silencing[0][..., into] * teacher.gain[into]
    true = np.stack([change[teacher.condition == condition].mean((0, 1)) for condition in (0, 1)])
    # The table has scaled rates, the teacher the change of the log rate.
    relative = (rows["effect_mean"] / rows["intact_mean"]).to_numpy().reshape(-1, 2).T
    order = np.argsort(rows["unit_id"].unique().astype(int))
    assert np.corrcoef(relative[:, order].ravel(), true.ravel())[0, 1] > 0.7
    own = units[(units["perturbation"] == "silence:A") & (units["region"] == "A")]
    np.testing.assert_allclose(own["effect_mean"], -own["intact_mean"])
    back = units[(units["perturbation"] == "silence:B") & (units["region"] == "A")]
    assert back["effect_rms"].max() < 0.2 * rows["effect_rms"].max()


def test_effects_of_absent_pathways_are_unsupported(done: Done) -> None:
    rows = done.tables["inactivations"].set_index(["perturbation", "target"])
    assert (rows.loc[("silence:B", "A"), "verdict"] == "unsupported").all()
    verdict = pathway(done, "B", "A")["verdict"]
    expected = "supported" if verdict == "resolved" else "unsupported"
    assert (rows.loc[("silence:A", "B"), "verdict"] == expected).all()


def test_pathways_have_the_rank_of_the_teacher(done: Done) -> None:
    for target, source, rank in (("B", "A", 1), ("A", "B", 0), ("A", "A", 2), ("B", "B", 2)):
        row = pathway(done, target, source)
        assert row["rank"] == rank, (target, source)
        assert row["rank_low"] <= rank <= row["rank_high"]


def test_fits_say_that_held_out_trials_ask_for_a_curved_network(done: Done) -> None:
    assert (done.tables["fits"]["curvature"] > 0).all()
    assert (done.tables["fits"]["curved_gain_nats"] > 0).all()


def test_the_menu_of_experiments(done: Done) -> None:
    rows = done.tables["inactivations"]
    assert set(rows["experiment"]) == {"silence", "half", "cut", "no_input", "drive"}
    rms = rows.groupby(["perturbation", "target"])["effect_rms"].mean()
    assert 0 < rms["half:A", "B"] < rms["silence:A", "B"]
    # B sends nothing back, so that a cut pathway does nothing to its source.
    assert rms["cut:A->B", "B"] > 20 * rms["cut:A->B", "A"]
    assert rms["no_input:step", "A"] > 0
    courses = done.tables["inactivation_timecourses"].set_index(["perturbation", "target"]).sort_index()
    driven = courses.loc[("drive:A", "A")]
    assert (driven.loc[driven["time_s"] <= 0.5, "effect_mean"] == 0).all()
    assert driven.loc[driven["time_s"] > 0.8, "effect_mean"].mean() > 0
    assert "readout:step" in set(rows["target"])
    assert {"direct_effect", "total_effect"} <= set(done.tables["interactions"]["measure"])


def test_experiments_on_a_part_of_a_region_are_left_out_with_a_remark(
    done: Done, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiments = json.loads((done.folder / "experiments.json").read_text())
    experiments["inactivations"] = {"few": experiments["inactivations"]["few"]}
    (tmp_path / "experiments.json").write_text(json.dumps(experiments))
    words = ["inactivate", "--recording", str(done.folder / "recording.nc")]
    words += ["--network", str(done.folder / "network.nc"), "--experiments", str(tmp_path / "experiments.json")]
    assert not lrfit_main([*words, "--out", str(tmp_path / "inactivations.csv")])
    assert "few is left out for population networks, because it acts on a part of a region" in capsys.readouterr().out
    assert tables.read("inactivations", tmp_path / "inactivations.csv").empty


def test_latents_of_every_trial(done: Done) -> None:
    rows = done.tables["latents"]
    assert set(rows["latent"]) == {1, 2, 3, 4}
    assert len(rows) == 4 * 100 * 50


def test_collected_tables_have_the_number_of_latents(done: Done, tmp_path: Path) -> None:
    folder = tmp_path / "t" / "p"
    folder.mkdir(parents=True)
    for file in done.folder.iterdir():
        within = folder.parent if file.name in ("recording.nc", "units.csv", "regions.csv") else folder
        (within / file.name).symlink_to(file)
    plan = load_plan(done.folder / "plan.json")
    collected = collect_run(tmp_path, plan, {"t": ["p"]})
    regions = collected["regions"]
    assert regions["n_latents"].tolist() == [2, 2]
    assert regions["n_latents_low"].le(2).all()
    assert regions["n_latents_high"].between(2, 3).all()
    assert collected["units"]["cosmoothing_bits_per_spike:p"].notna().all()
    assert "one_step_r2:p" not in collected["units"]
    for name, table in collected.items():
        tables.write(name, table, tmp_path / tables.TABLES[name].file)
