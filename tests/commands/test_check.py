"""`curbd check`: all mistakes of a run at once, from the opened files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml

from curbd.cli import main
from curbd.commands.check import check_config, check_run, digest_of_run
from curbd.commands.check_lines import together
from curbd.errors import UserError
from curbd.recording import open_recording
from curbd.recording.ingest import ingest, ingest_file
from curbd.settings.plan_reading import read_plan

ROOT = Path(__file__).parents[2]
Study = Callable[..., Path]


def write_file(path: Path, regions: list[str], n_trials: int = 10) -> None:
    """A plain HDF5 file with four units in each region, and the trial columns side and rt."""
    labels = [region for region in regions for _ in range(4)]
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file["rates"] = rng.uniform(0, 1, (n_trials, 20, len(labels)))
        file["time"] = np.arange(20) * 0.05
        file["region"] = labels
        file["trial/side"] = ["left", "right"] * (n_trials // 2)
        file["trial/rt"] = rng.uniform(0, 1, n_trials)


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """Writes a config of two recordings: both have CA1, a has V1 and b has M2."""
    monkeypatch.chdir(tmp_path)
    write_file(tmp_path / "a.h5", ["CA1", "V1"])
    write_file(tmp_path / "b.h5", ["CA1", "M2"])

    def write(*rows: str, columns: str = "", **keys: Any) -> Path:
        lines = rows or ("a\ta.h5\thdf5", "b\tb.h5\thdf5")
        Path("my.tsv").write_text("\n".join([f"recording\tpath\tformat{columns}", *lines]) + "\n", encoding="utf-8")
        Path("my.yaml").write_text(yaml.safe_dump({"recordings": "my.tsv", **keys}), encoding="utf-8")
        return Path("my.yaml")

    return write


def test_what_one_recording_lacks_is_a_remark(study: Study) -> None:
    config = study(
        defaults={"regions": {"merge": {"V1": "visual"}}},
        inactivations={"off": {"region": "visual"}, "here": {"region": "M2", "recordings": ["b"]}},
    )
    check = check_run(read_plan(config))
    assert check.mistakes == []
    assert [remark.split(". ")[0] for remark in check.remarks] == ["The experiment off is left out of b"]


def test_what_no_recording_has_is_a_mistake_with_the_nearest_name(study: Study) -> None:
    config = study(
        defaults={"regions": {"merge": {"VV1": "visual"}}},
        inactivations={"off": {"region": "CA11"}, "here": {"region": "V1", "recordings": ["b"]}},
        bench={"readout": ["sidee"]},
    )
    check = check_run(read_plan(config))
    first, second, third = check.of_study
    assert first.startswith("config: regions.merge: found unknown region 'VV1', expected regions of any recording")
    assert first.endswith("did you mean 'V1'?")
    assert second.startswith('config, inactivations.off.region: found "CA11"')
    assert second.endswith("did you mean 'CA1'?; this is the case in every recording")
    assert third.startswith('config, bench.readout: found "sidee"')
    assert [line.split(":")[0] for line in check.of_recording["b"]] == ["config, inactivations.here.region"]
    assert check.leaves_nothing


def test_a_control_session_without_perturbed_trials_is_in_order(study: Study) -> None:
    perturbed = [{"column": "side", "value": "none", "like": "off"}]
    config = study(defaults={"perturbed": perturbed}, inactivations={"off": {"region": "CA1"}})
    assert check_run(read_plan(config)).failing == ["a", "b"]
    with h5py.File("a.h5", "a") as file:
        file["trial/side"][:3] = "none"
    check = check_run(read_plan(config))
    assert check.mistakes == []
    (remark,) = check.remarks
    assert remark.endswith(
        "perturbed: No trial has side none, so that the experiment off is not compared with a measurement."
    )
    settings = read_plan(config).recording_settings("b")
    with open_recording("b.h5", "hdf5", settings) as opened:
        session = ingest(opened, settings, "b", shared={"perturbed"})
    assert session.perturbed is None
    assert "No trial has side none" in session.recording.attrs["notes"]
    with pytest.raises(UserError, match=r"perturbed\[0\]\.value: found no trial with side none"):
        ingest_file("b.h5", settings)


def test_a_merge_table_of_an_atlas_may_name_labels_that_no_recording_has(study: Study, tmp_path: Path) -> None:
    (tmp_path / "merge.tsv").write_text("label\tregion\nV1\tvisual\nV2\tvisual\n", encoding="utf-8")
    check = check_run(read_plan(study(defaults={"regions": {"merge": "merge.tsv"}})))
    assert check.mistakes == []
    assert "'V2'" in check.remarks[0]
    (tmp_path / "merge.tsv").write_text("label\tregion\nVisp\tvisual\n", encoding="utf-8")
    assert len(check_run(read_plan(Path("my.yaml"))).of_study) == 1


def test_another_spelling_in_a_merge_table_is_a_mistake(study: Study, tmp_path: Path) -> None:
    (tmp_path / "merge.tsv").write_text("label\tregion\nV1\tvisual\nca 1\thippocampus\n", encoding="utf-8")
    (mistake,) = check_run(read_plan(study(defaults={"regions": {"merge": "merge.tsv"}}))).of_study
    assert mistake.startswith("config: regions.merge: found unknown region 'ca 1'")


def test_a_mapping_of_the_units_of_one_recording_is_a_remark_for_the_others(study: Study, tmp_path: Path) -> None:
    (tmp_path / "units.tsv").write_text("unit_id\tregion\n8\tM1\n", encoding="utf-8")
    write_file(tmp_path / "c.h5", ["V1", "M1", "CA1"])
    rows = ("a\ta.h5\thdf5", "c\tc.h5\thdf5")
    settings = {"regions": {"mapping": "units.tsv"}}
    check = check_run(read_plan(study(*rows, defaults=settings)))
    assert check.mistakes == []
    (remark,) = check.remarks
    assert remark.startswith("a (a.h5): regions.mapping: units.tsv: found no label for any unit of the recording")
    plan = read_plan(Path("my.yaml"))
    with open_recording("a.h5", "hdf5", plan.recording_settings("a")) as opened:
        session = ingest(opened, plan.recording_settings("a"), "a", shared=plan.shared_settings("a"))
    assert "no label for any unit" in session.recording.attrs["notes"]
    with pytest.raises(UserError, match="no label for any unit"):
        ingest_file("a.h5", plan.recording_settings("a"))
    assert check_run(read_plan(study(rows[0], defaults=settings))).failing == ["a"]


def test_a_level_that_the_atlas_does_not_have_is_one_mistake(study: Study) -> None:
    pytest.importorskip("iblatlas")
    check = check_run(read_plan(study(defaults={"regions": {"atlas": "allen_ccf", "level": "berly"}})))
    assert check.leaves_nothing
    (mistake,) = together(check.mistakes)
    assert "found 'berly'" in mistake
    assert mistake.endswith("did you mean 'beryl'?")


def test_all_mistakes_of_windows_conditions_and_inputs_come_at_once(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    study(
        "a\ta.h5\thdf5",
        "b\tgone.h5\thdf5",
        defaults={
            "windows": {"conditions": ["sied"], "select": {"colour": [1]}, "start_s": 5, "stop_s": 6},
            "inputs": [{"name": "x", "column": "contrast"}],
        },
        models={"m": {"family": "full_rank"}, "n": {"family": "fullrank"}},
    )
    assert main(["check", "my.yaml"]) == 2
    lines = capsys.readouterr().err.splitlines()
    for text in (
        'models.n.family: found "fullrank"',
        'line 3, path: found "gone.h5" (no such file)',
        "windows.conditions: found unknown column 'sied'",
        "windows.select: found unknown column 'colour'",
        "windows.start_s, windows.stop_s: found time windows from 5 to 6 s, expected time windows inside the trials",
        "inputs[0] (x): found unknown column 'contrast'",
    ):
        assert sum(text in line for line in lines) == 1, (text, lines)
    assert lines[-1] == "Checked the config and 1 of 2 recordings: 6 mistakes."


def test_one_of_several_values_that_no_recording_has_is_a_remark(study: Study) -> None:
    windows = {"select": {"side": ["left", "rigth"]}}
    check = check_run(read_plan(study(defaults={"windows": windows})))
    assert check.mistakes == []
    assert check.remarks == ["config: windows.select.side: no recording has 'rigth'; did you mean 'right'?"]


def test_one_of_several_values_of_units_that_no_recording_has_is_a_remark(study: Study) -> None:
    for path in ("a.h5", "b.h5"):
        with h5py.File(path, "a") as file:
            file["quality"] = ["good", "mua"] * 4
    settings = {"units": {"select": {"quality": ["good", "mau"]}, "min_per_region": 1}}
    check = check_run(read_plan(study(defaults=settings)))
    assert check.mistakes == []
    assert "config: units.select.quality: no recording has 'mau'; did you mean 'mua'?" in check.remarks


def test_the_demo_is_in_order_before_its_recording_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    assert main(["check", "config/config.yaml"]) == 0
    assert "0 of 1 recordings: no mistake" in capsys.readouterr().out


def test_a_broken_file_costs_itself_only(study: Study) -> None:
    content = Path("b.h5").read_bytes()
    Path("b.h5").write_bytes(content[: len(content) // 2])
    check = check_run(read_plan(study()))
    assert check.failing == ["b"]
    assert not check.leaves_nothing


def test_numbers_as_conditions_and_wide_bins_get_a_remark(study: Study) -> None:
    windows = {"conditions": ["rt"]}
    check = check_run(read_plan(study(defaults={"windows": windows, "bin_width_s": 0.5})))
    assert check.mistakes == []
    assert any("10 of 10 conditions (rt) have a single trial" in remark for remark in check.remarks)
    assert any("a trial has only 2 bins of 0.5 s" in remark for remark in check.remarks)


def test_long_smoothing_gets_a_remark_and_a_mistake_of_the_table_is_told_once(study: Study) -> None:
    check = check_run(read_plan(study(defaults={"smoothing_s": 0.5})))
    assert any("smoothing_s of 0.5 s is long for trials of 1 s" in remark for remark in check.remarks)
    config = study("a\ta.h5\tHDF5", "b\tb.h5\thdf5\tno.tsv", columns="\tregions.mapping")
    correct, lines = check_config(config)
    assert not correct
    assert sum('found "HDF5"' in line or "'HDF5'" in line for line in lines) == 1
    assert sum("no.tsv" in line for line in lines) == 1


def test_bins_of_a_model_are_checked_too(study: Study) -> None:
    models = {"plain": {"family": "full_rank"}, "fine": {"family": "full_rank", "bin_width_s": 0.02}}
    (mistake,) = check_run(read_plan(study("a\ta.h5\thdf5", models=models))).mistakes
    assert mistake.startswith("models.fine, recording a (a.h5): bin_width_s: found 0.02")


def test_activity_that_a_model_cannot_read_is_told(study: Study) -> None:
    with h5py.File("b.h5", "a") as file:
        file["rates"][...] = file["rates"][...] - 0.5
    config = study(
        models={
            "areas": {"family": "low_rank", "estimator": "population"},
            "silent": {"family": "full_rank", "estimator": "one_step", "nonlinearity": "relu"},
        }
    )
    check = check_run(read_plan(config))
    of_populations = "rates (rates) that are not a whole number of spikes per bin"
    assert [of_populations in line for line in check.of_recording["a"]] == [True]
    # Another recording of a model is read only if nothing else is wrong.
    (line,) = check.of_recording["b"]
    assert line.startswith("models.silent.nonlinearity, recording b: found relu, and activity down to -0.4")


def test_a_sound_run_says_so(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(study(defaults={"windows": {"conditions": ["side"]}}))]) == 0
    assert capsys.readouterr().out == "Checked the config and 2 of 2 recordings: no mistake.\n"


def test_a_check_is_done_again_where_a_file_or_the_plan_changed(study: Study) -> None:
    digest = digest_of_run(read_plan(study()))
    assert digest_of_run(read_plan(Path("my.yaml"))) == digest
    write_file(Path("b.h5"), ["CA1", "M2", "M1"])
    assert digest_of_run(read_plan(Path("my.yaml"))) != digest


def test_equal_lines_of_several_recordings_are_one() -> None:
    lines = [f"r{number} (/data/r{number}.nwb): windows: found x" for number in range(7)]
    assert together([*lines, "config: y", "config: y"]) == [
        "r0, r1, r2, r3, r4 and 2 more: windows: found x",
        "config: y",
    ]
    assert together(lines[:1]) == lines[:1]
