"""The workflow as users run it: dry runs of every config, the demo, restarts after a kill, and runs after edits."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

from benchmarks import faults
from curbd import tables
from curbd.commands.check import check_config
from curbd.recording.circuit import circuit_of
from curbd.recording.ingest import ingest_file
from curbd.settings.plan_reading import read_plan
from tests.support.workspace import (
    BIN,
    ENVIRONMENT,
    ROOT,
    make_workspace,
    planned,
    run_steps,
    snakemake,
)

EXAMPLES = sorted((ROOT / "config" / "examples").glob("*.yaml"))
FIT_STEPS = {"fit": 2, "currents": 2, "inactivate": 2, "latents": 1, "mechanism": 1}
EMPTY_IN_THE_DEMO = {
    *("perturbation_comparison", "contrasts", "contrast_timecourses", "changes", "constraints", "balance"),
    *(
        "pathway_windows",
        "degeneracy",
        "oscillators",
        "oscillator_forces",
        "gates",
        "gate_currents",
        "shared_weights",
        "shared_pathways",
    ),
    *("attractors", "lyapunov", "transitions", "phase_locking", "slow_manifolds"),
}
"""Tables that the demo does not ask for, or for which its recording has no perturbed trials and no cell types."""


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A folder with the workflow in which nothing has run."""
    return make_workspace(tmp_path)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demo has run. Tests that change anything use the copy `done`."""
    folder = make_workspace(tmp_path_factory.mktemp("demo"))
    snakemake(folder)
    return folder


@pytest.fixture
def done(demo: Path, tmp_path: Path) -> Path:
    """A copy of the finished demo that a test may change."""
    return Path(shutil.copytree(demo, tmp_path / "demo", copy_function=shutil.copy2))


def write_config(folder: Path, **keys: object) -> str:
    (folder / "my.yaml").write_text(yaml.safe_dump(keys), encoding="utf-8")
    return "my.yaml"


def write_recordings(folder: Path, *lines: str) -> None:
    (folder / "my.tsv").write_text("\n".join(["recording\tpath\tformat", *lines]) + "\n", encoding="utf-8")


# --- without running a job -----------------------------------------------------------------------------------------


def test_a_fresh_clone_has_the_demo_to_do(fresh: Path) -> None:
    printed = snakemake(fresh, "--dry-run")
    assert "Fit the model full_rank to demo" in printed
    # A line for each step, and no lists of files.
    assert "    input: " not in printed
    assert planned(printed) == FIT_STEPS | {
        "demo_recording": 1,
        "ingest": 1,
        "experiments": 1,
        "tables": 1,
        "group": 1,
        "report": 1,
        "default": 1,
    }


def test_the_inner_snakefile_is_complete(fresh: Path) -> None:
    jobs = planned(snakemake(fresh, "--dry-run", "--snakefile", "workflow/Snakefile"))
    assert jobs["fit"] == 2
    assert jobs["all"] == 1


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_has_something_to_do(fresh: Path, example: Path) -> None:
    recordings = (example.with_suffix(".tsv")).read_text(encoding="utf-8").splitlines()[1:]
    for line in recordings:
        (fresh / "data" / Path(line.split("\t")[1]).name).touch()
    jobs = planned(snakemake(fresh, "--dry-run", "--configfile", f"config/examples/{example.name}", opens_files=False))
    assert jobs["ingest"] == len(recordings)
    models = yaml.safe_load(example.read_text(encoding="utf-8"))["models"]
    assert jobs["fit"] == len(models) * len(recordings)


def test_a_config_of_two_lines_is_enough(fresh: Path) -> None:
    (fresh / "a.nwb").touch()
    write_recordings(fresh, "a\ta.nwb\tnwb")
    jobs = planned(
        snakemake(
            fresh,
            "--dry-run",
            "--configfile",
            write_config(fresh, recordings="my.tsv", results="out"),
            opens_files=False,
        )
    )
    assert {rule: count for rule, count in jobs.items() if rule in FIT_STEPS} == FIT_STEPS


def test_nothing_of_the_demo_leaks_into_another_config(fresh: Path) -> None:
    (fresh / "a.nwb").touch()
    write_recordings(fresh, "a\ta.nwb\tnwb")
    config = write_config(fresh, recordings="my.tsv", models={"mine": {"family": "full_rank"}})
    printed = snakemake(fresh, "--dry-run", "--configfile", config, opens_files=False)
    assert planned(printed)["fit"] == 1
    assert "demo" not in planned(printed)
    assert "latents" not in planned(printed)


def test_without_experiments_there_are_no_steps_of_experiments(fresh: Path) -> None:
    config = {"recordings": "config/recordings.tsv", "models": {"mine": {"family": "full_rank"}}, "inactivations": {}}
    printed = snakemake(fresh, "--dry-run", "--configfile", write_config(fresh, **config), opens_files=False)
    assert planned(printed)["currents"] == 1
    assert "inactivate" not in planned(printed)
    assert "experiments" not in planned(printed)


def test_a_model_with_its_own_bins_gets_its_own_recording(fresh: Path) -> None:
    models = {"fine": {"family": "full_rank", "bin_width_s": 0.02}, "plain": {"family": "full_rank"}}
    config = write_config(fresh, recordings="config/recordings.tsv", models=models)
    printed = snakemake(fresh, "--dry-run", "--printshellcmds", "--configfile", config, opens_files=False)
    assert planned(printed)["ingest_for_model"] == 1
    assert "curbd fit --recording results/demo/fine/recording.nc --name fine " in printed
    assert "curbd fit --recording results/demo/recording.nc --name plain " in printed


def test_only_recordings_with_perturbed_trials_are_compared(fresh: Path) -> None:
    for name in "ab":
        (fresh / f"{name}.nwb").touch()
    lines = ["a\ta.nwb\tnwb\t", 'b\tb.nwb\tnwb\t[{column: laser, value: "on", like: silence}]']
    header = "recording\tpath\tformat\tperturbed"
    (fresh / "my.tsv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    config = write_config(fresh, recordings="my.tsv", results="out")
    jobs = planned(snakemake(fresh, "--dry-run", "--configfile", config, opens_files=False))
    assert jobs["inactivate"] == 4
    assert jobs["compare"] == 2


def test_mistakes_stop_the_run_before_any_job(fresh: Path) -> None:
    write_recordings(fresh, "a\tgone.nwb\tnwb", "a\tgone.nwb\tnwb")
    printed = snakemake(fresh, "--configfile", write_config(fresh, recordings="my.tsv", modls={}), status=1)
    assert "my.yaml, modls: found an unknown key" in printed
    assert "Traceback" not in printed
    printed = snakemake(fresh, "--configfile", write_config(fresh, recordings="my.tsv"), status=1)
    assert 'my.tsv, line 2, path: found "gone.nwb" (no such file)' in printed
    assert 'my.tsv, line 3, recording: found "a", as in line 2' in printed
    assert not (fresh / "results").exists()


def write_recording(path: Path, regions: list[str]) -> None:
    """A plain HDF5 file with three units in each region."""
    labels = [region for region in regions for _ in range(3)]
    with h5py.File(path, "w") as file:
        file["rates"] = np.random.default_rng(0).uniform(0, 1, (10, 20, len(labels)))
        file["time"] = np.arange(20) * 0.05
        file["region"] = labels
        file["trial/side"] = ["left", "right"] * 5


def test_a_dry_run_opens_the_files_and_tells_all_mistakes(fresh: Path) -> None:
    write_recording(fresh / "a.h5", ["V1", "M2"])
    write_recordings(fresh, "a\ta.h5\thdf5")
    config = write_config(
        fresh,
        recordings="my.tsv",
        defaults={"windows": {"conditions": ["sied"]}, "regions": {"merge": {"V11": "V1"}}},
        inactivations={"off": {"region": "M22"}},
    )
    printed = snakemake(fresh, "-np", "--configfile", config, status=1)
    assert "windows.conditions: found unknown column 'sied'" in printed
    assert "regions.merge: found unknown region 'V11'" in printed
    assert 'inactivations.off.region: found "M22"' in printed
    assert "Traceback" not in printed
    assert "Job stats" not in printed


def test_a_broken_file_does_not_stop_the_others(fresh: Path) -> None:
    write_recording(fresh / "a.h5", ["V1", "M2"])
    (fresh / "b.h5").write_bytes((fresh / "a.h5").read_bytes()[:2000])
    write_recordings(fresh, "a\ta.h5\thdf5", "b\tb.h5\thdf5")
    printed = snakemake(fresh, "-n", "--configfile", write_config(fresh, recordings="my.tsv"))
    assert "Without b, until these mistakes are corrected:" in printed
    assert planned(printed)["ingest"] == 2


def test_recordings_on_the_command_line_take_nothing_of_the_demo(fresh: Path) -> None:
    write_recording(fresh / "a.h5", ["V1", "M2"])
    write_recordings(fresh, "a\ta.h5\thdf5")
    printed = snakemake(fresh, "-n", "--config", "recordings=my.tsv")
    assert "demo" not in planned(printed)
    assert planned(printed)["fit"] == 2


def test_a_config_elsewhere_has_its_files_and_results_beside_it(fresh: Path, tmp_path: Path) -> None:
    study = tmp_path / "my study (v2) [x]"
    study.mkdir()
    write_recording(study / "a.h5", ["V1", "M2"])
    write_recordings(study, "a\ta.h5\thdf5\t\t")
    write_config(study, recordings="my.tsv", results="out")
    printed = snakemake(fresh, "-n", "--printshellcmds", "--configfile", str(study / "my.yaml"))
    assert f"--out '{study}/out/a/recording.nc'" in printed


def test_a_run_is_unlocked_where_its_recordings_are_not_seen(fresh: Path) -> None:
    (fresh / ".snakemake" / "locks").mkdir(parents=True)
    (fresh / ".snakemake" / "locks" / "0.output.lock").write_text(f"{fresh}/out/a/recording.nc\n", encoding="utf-8")
    write_recordings(fresh, "a\tgone.nwb\tnwb")
    snakemake(fresh, "--unlock", "--configfile", write_config(fresh, recordings="my.tsv"))
    assert not list((fresh / ".snakemake").glob("locks/*"))


def test_every_recording_is_ingested_before_any_is_fitted() -> None:
    rules = (ROOT / "workflow" / "rules" / "ingest.smk").read_text(encoding="utf-8")
    assert rules.count("priority: 200") == 2


def test_every_step_on_a_network_runs_on_the_device_of_the_config() -> None:
    files = sorted((ROOT / "workflow" / "rules").glob("*.smk"))
    rules = [rule for file in files for rule in file.read_text(encoding="utf-8").split("\nrule ")[1:]]
    on_networks = [rule for rule in rules if "--network {input.network:q}" in rule]
    assert on_networks
    assert [rule.partition(":")[0] for rule in on_networks if "--device {params.device}" not in rule] == []


def test_planning_imports_nothing_slow() -> None:
    slow = {"torch", "pynwb", "sklearn", "matplotlib"}
    code = f"import sys, curbd.settings.plan_reading, curbd.storage.whole_files; print(*{slow!r} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == ""


def test_the_workflow_passes_lint_and_format() -> None:
    snakemake(ROOT, "--lint")
    subprocess.run([BIN / "snakefmt", "--check", "Snakefile", "workflow"], cwd=ROOT, env=ENVIRONMENT, check=True)


# --- real recordings -----------------------------------------------------------------------------------------------


def link_recordings(folder: Path, recordings: Path) -> None:
    for file in recordings.glob("*.[nh]*"):
        (folder / "data" / file.name).symlink_to(file)


REGIONS = {
    "macaque_twostep": {"DLPFC": 15, "FP": 8, "Striatum": 15, "dACC": 15},
    "macaque_group": {"cortex": 30, "striatum": 8},
    "human_mtl": {"amygdala_right": 10, "hippocampus_right": 25},
    "zebrafish": {"diencephalon": 15, "ganglia": 4, "hindbrain": 29, "midbrain": 15, "telencephalon": 4},
    "suite2p": {"V1": 20},
}


@pytest.mark.slow
@pytest.mark.parametrize("example", [path for path in EXAMPLES if path.stem in REGIONS], ids=lambda path: path.stem)
def test_every_example_runs(fresh: Path, recordings: Path, example: Path) -> None:
    link_recordings(fresh, recordings)
    config = yaml.safe_load(example.read_text(encoding="utf-8"))
    # One seed and one family are enough: the examples differ in how they read the recording.
    config["models"] = {"full_rank": {"family": "full_rank", "seeds": [0]}}
    # Spikes are binned more coarsely, to save time; imaging keeps its bins.
    if "bin_width_s" in config["defaults"]:
        config["defaults"]["bin_width_s"] = 0.25
    run_steps(fresh, "--configfile", write_config(fresh, **config))
    results = fresh / config["results"]
    regions = tables.read("regions", results / "tables" / "regions.csv")
    # Of a group of recordings, the first has the regions.
    regions = regions[regions["recording"] == regions["recording"].iloc[0]]
    assert dict(zip(regions["region"], regions["n_units"], strict=True)) == REGIONS[example.stem]
    pathways = tables.read("pathways", results / "tables" / "pathways.csv")
    assert set(pathways["target"]) == set(REGIONS[example.stem])
    inactivations = tables.read("inactivations", results / "tables" / "inactivations.csv")
    assert {text.split(":")[0] for text in inactivations["perturbation"]} == set(
        config.get("inactivations", {"silence"})
    )
    page = (results / "tables" / "report.html").read_text(encoding="utf-8")
    assert ("there is no pathway to judge" in page) == (len(regions) == 1)


def test_cell_types_of_the_example_with_constraints(
    fresh: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fits of its 400 units take minutes; the check opens the file and builds the constraints."""
    file = recordings.parent / "truth" / "four_areas_0.h5"
    if not file.is_file():
        pytest.skip(f"no file {file}")
    (fresh / "data" / file.name).symlink_to(file)
    monkeypatch.chdir(fresh)
    checked, lines = check_config(Path("config/examples/four_areas.yaml"))
    assert checked, lines
    plan = read_plan(Path("config/examples/four_areas.yaml"))
    recording = ingest_file(file, plan.recording_settings("four_areas")).recording
    circuit = circuit_of(recording, plan.config.models["dale"].constraints)
    assert (np.unique(circuit.sign, return_counts=True)[1] == [80, 320]).all()
    assert circuit.local_inhibition


def test_two_lines_find_the_regions_by_themselves(fresh: Path, recordings: Path) -> None:
    link_recordings(fresh, recordings)
    write_recordings(
        fresh, "human\tdata/human_mtl_sub-4_ses-4.nwb\tnwb", "mouse\tdata/A2929-200711_neurosuite.nwb\tnwb"
    )
    run_steps(fresh, "--until", "ingest", "--configfile", write_config(fresh, recordings="my.tsv", results="out"))
    units = [tables.read("units", fresh / "out" / name / "units.csv") for name in ("human", "mouse")]
    kept = pd.concat(units).query("kept")
    counts = kept.groupby(["recording", "region", "region_source"]).size().to_dict()
    assert counts == {
        ("human", "amygdala_right", "units.electrodes -> electrodes.location"): 10,
        ("human", "hippocampus_right", "units.electrodes -> electrodes.location"): 25,
        ("mouse", "adn", "units.location"): 7,
        ("mouse", "ca1", "units.location"): 8,
    }


# --- the demo ------------------------------------------------------------------------------------------------------


def test_the_demo_writes_tables_that_keep_their_schema(demo: Path) -> None:
    for name, table in tables.TABLES.items():
        rows = tables.read(name, demo / "results" / "tables" / table.file)
        assert (len(rows) == 0) == (name in EMPTY_IN_THE_DEMO), name
        assert tables.problems(name, rows) == []
    units = tables.read("units", demo / "results" / "tables" / "units.csv")
    assert units[["one_step_r2:full_rank", "one_step_r2:low_rank"]].notna().all(axis=None)
    assert "true_r2" in tables.read("pathways", demo / "results" / "tables" / "pathways.csv")


def test_provenance_records_the_versions_the_config_and_the_inputs(demo: Path) -> None:
    origin = json.loads((demo / "results/tables/provenance.json").read_text(encoding="utf-8"))
    assert origin["versions"]["torch"]
    assert origin["config"]["models"]["low_rank"]["family"] == "low_rank"
    assert len(origin["recordings"]["demo"]["sha256"]) == 64
    assert origin["recordings"]["demo"]["settings"]["test_fraction"] == 0.2


def test_a_second_run_has_nothing_to_do(demo: Path) -> None:
    assert "Nothing to be done" in snakemake(demo)


def test_a_lost_network_is_made_again_with_all_files_made_from_it(done: Path) -> None:
    (done / "results/demo/full_rank/network.nc").unlink()
    jobs = {"fit": 1, "currents": 1, "inactivate": 1, "tables": 1, "group": 1, "report": 1, "default": 1}
    assert planned(snakemake(done, "--dry-run")) == jobs
    (done / "results/demo/experiments.json").unlink()
    assert planned(snakemake(done, "--dry-run")) == jobs | {"experiments": 1, "inactivate": 2}


def test_new_contrasts_compute_nothing_else(done: Path) -> None:
    config = yaml.safe_load((done / "config/config.yaml").read_text(encoding="utf-8"))
    config["contrasts"] = {"side": {"column": "side"}}
    jobs = planned(snakemake(done, "--dry-run", "--configfile", write_config(done, **config)))
    assert jobs == {"contrasts": 2, "tables": 1, "group": 1, "report": 1, "default": 1}


def test_new_windows_compute_nothing_else(done: Path) -> None:
    config = yaml.safe_load((done / "config/config.yaml").read_text(encoding="utf-8"))
    config["verdict_windows_s"] = [[0, 1], [1, 2]]
    jobs = planned(snakemake(done, "--dry-run", "--configfile", write_config(done, **config)))
    assert jobs == {"windows": 2, "tables": 1, "group": 1, "report": 1, "default": 1}


def test_new_changes_compute_nothing_else(done: Path) -> None:
    config = yaml.safe_load((done / "config/config.yaml").read_text(encoding="utf-8"))
    config["changes"] = {"side": {"column": "side"}}
    jobs = planned(snakemake(done, "--dry-run", "--configfile", write_config(done, **config)))
    # The model of low rank has no test of changes.
    assert jobs == {"changes": 1, "tables": 1, "group": 1, "report": 1, "default": 1}


def test_a_new_recording_computes_itself_and_the_group(done: Path) -> None:
    shutil.copy(done / "data/demo.h5", done / "data/more.h5")
    write_recordings(done, "demo\tdata/demo.h5\thdf5", "more\tdata/more.h5\thdf5")
    config = yaml.safe_load((done / "config/config.yaml").read_text(encoding="utf-8"))
    config["recordings"] = "my.tsv"
    jobs = planned(snakemake(done, "--dry-run", "--configfile", write_config(done, **config)))
    alone = {"ingest": 1, "experiments": 1, "tables": 1, "group": 1, "report": 1, "default": 1}
    assert jobs == FIT_STEPS | alone


def test_new_inactivations_refit_nothing(done: Path) -> None:
    config = yaml.safe_load((done / "config/config.yaml").read_text(encoding="utf-8"))
    config["inactivations"] = {"halved": {"kind": "region", "strength": 0.5}}
    printed = snakemake(done, "--dry-run", "--configfile", write_config(done, **config))
    jobs = planned(printed)
    assert jobs == {"experiments": 1, "inactivate": 2, "tables": 1, "group": 1, "report": 1, "default": 1}


def test_a_region_that_does_not_exist_stops_before_the_fits(done: Path) -> None:
    config = yaml.safe_load((done / "config/config.yaml").read_text(encoding="utf-8"))
    config["inactivations"] = {"gone": {"kind": "region", "region": "ca3"}}
    printed = snakemake(done, "--configfile", write_config(done, **config), status=1)
    assert 'config, inactivations.gone.region: found "ca3", expected one of the regions of recording demo' in printed
    assert "Traceback" not in printed
    assert "Run the experiments on demo" not in printed


def test_results_of_an_older_version_are_all_made_again(demo: Path, fresh: Path) -> None:
    newer = "import curbd.storage\n\ncurbd.storage.RESULTS_VERSION += 1\n\n"
    (fresh / "newer").write_text(newer + f'include: "{fresh}/Snakefile"\n', encoding="utf-8")
    jobs = planned(snakemake(demo, "--dry-run", "--snakefile", str(fresh / "newer"), "all"))
    assert jobs == FIT_STEPS | dict.fromkeys(("ingest", "experiments", "tables", "group", "report", "all"), 1)


def test_a_folder_that_cannot_be_written_to_stops_the_run_in_one_line(fresh: Path) -> None:
    write_recording(fresh / "a.h5", ["V1", "M2"])
    write_recordings(fresh, "a\ta.h5\thdf5")
    # Not even root may make a folder there.
    config = write_config(fresh, recordings="my.tsv", results="/sys/results")
    printed = snakemake(fresh, "--configfile", config, status=1)
    assert "/sys/results/plan.json: found a " in printed
    assert "choose another folder for results" in printed
    assert "Traceback" not in printed


@pytest.mark.slow
def test_a_run_that_is_disturbed_ends_with_the_same_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "KILLS_PER_RUN", 1)
    undisturbed = make_workspace(tmp_path / "undisturbed")
    run_steps(undisturbed, "--configfile", faults.make_study(undisturbed).name)
    # The times are about those of a run, and the moments of the disturbances random.
    reference = faults.Reference(
        tables=faults.read_results(undisturbed / "out"),
        seconds=20.0,
        fit_seconds=3.0,
        sizes_bytes=[path.stat().st_size for path in undisturbed.glob("out/**/*") if path.is_file()],
    )
    disturbed = faults.make_study(tmp_path / "disturbed")
    for disturb in (faults.without_room, faults.ended_in_fit, faults.killed_anywhere):
        assert list(disturb(disturbed, reference, np.random.default_rng(0))) == [[]]
    faults.finish(disturbed)
    assert faults.differing(disturbed.parent / "out", reference.tables) == []
    assert "Traceback" not in (disturbed.parent / "printed").read_text(encoding="utf-8")
