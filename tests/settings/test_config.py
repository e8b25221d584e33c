"""The config and recordings.tsv: what they turn into, and what every mistake in them says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from curbd import documents
from curbd.errors import UserError
from curbd.inactivation.check import check_experiments, possible_experiments
from curbd.settings.config import Config
from curbd.settings.estimators import ESTIMATORS
from curbd.settings.experiments import Experiments, ExperimentSettings, Inactivation
from curbd.settings.models import Model
from curbd.settings.plan import Plan, as_json, load_plan
from curbd.settings.plan_reading import read_plan
from curbd.settings.recording import RecordingSettings
from curbd.settings.validation import parse_json

ROOT = Path(__file__).parents[2]
Write = Callable[..., Path]


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes recordings.tsv, one argument a line, beside two empty recordings, in the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.nwb", "b.h5"):
        (tmp_path / name).touch()

    def write(*lines: str) -> Path:
        Path("recordings.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return Path("recordings.tsv")

    return write


def plan(**keys: Any) -> Plan:
    return read_plan({"recordings": "recordings.tsv", **keys}, file="my.yaml")


def mistakes(**keys: Any) -> list[str]:
    with pytest.raises(UserError) as raised:
        plan(**keys)
    return str(raised.value).splitlines()


HEADER = "recording\tpath\tformat"


def test_two_lines_are_a_config(table: Write) -> None:
    table(HEADER, "a\ta.nwb\tnwb")
    made = plan(results="out")
    assert {model.family for model in made.config.models.values()} == {"full_rank", "low_rank"}
    assert [experiment.kind for experiment in made.config.inactivations.values()] == ["region"]
    assert made.recording_settings("a") == RecordingSettings()
    assert made.fit_model("a", "low_rank").estimator == "reduced_rank"


def test_a_column_replaces_a_default_and_a_model_replaces_both(table: Write) -> None:
    table(
        f"{HEADER}\tbin_width_s\twindows.table\twindows.conditions\ttau_s",
        "# a comment",
        "",
        "a\ta.nwb\tnwb\t0.02\ttrials\t[choice, reward]\t0.3",
        "b\tb.h5\thdf5",
    )
    models = {"coarse": {"family": "full_rank", "bin_width_s": 0.1}, "fixed": {"family": "full_rank", "tau_s": 0.5}}
    made = plan(defaults={"bin_width_s": 0.05, "windows": {"align": "go"}, "tau_s": 0.2}, models=models)
    a = made.recording_settings("a")
    assert (a.bin_width_s, a.windows.table, a.windows.align) == (0.02, "trials", "go")
    assert a.windows.conditions == ["choice", "reward"]
    assert made.recording_settings("b").bin_width_s == 0.05
    assert made.recording_settings("a", "coarse").bin_width_s == 0.1
    assert made.has_own_recording("coarse")
    assert not made.has_own_recording("fixed")
    assert [made.fit_model(r, m).tau_s for r, m in (("a", "coarse"), ("b", "coarse"), ("a", "fixed"))] == [
        0.3,
        0.2,
        0.5,
    ]


def test_what_a_step_gets_can_be_read_again(table: Write) -> None:
    table(HEADER, "a\ta.nwb\tnwb")
    full = {"family": "full_rank", "estimator": "force", "options": {"passes": 3}}
    made = plan(models={"m": full, "a": {"family": "low_rank"}})
    again = Plan.from_json(made.to_json())
    assert again == made
    assert list(again.config.models) == ["m", "a"]
    assert as_json(again.recording_settings("a")) == as_json(RecordingSettings())
    model = again.fit_model("a", "m")
    assert model.options["passes"] == 3
    assert model.options["gain"] == 1.5
    assert again.experiments("a").inactivations == made.config.inactivations


def test_a_plan_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"plan\.json: found no such file.*start the workflow"):
        load_plan(tmp_path / "plan.json")
    (tmp_path / "plan.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match=r"plan\.json: found a file that is not a plan"):
        load_plan(tmp_path / "plan.json")


def test_labels_of_a_table_stay_text(table: Write) -> None:
    table(f"{HEADER}\twindows.table", "007\ta.nwb\tnwb\t010", "NA\tb.h5\thdf5\tnull")
    made = plan()
    assert list(made.recordings) == ["007", "NA"]
    assert made.recording_settings("007").windows.table == "010"
    assert made.recording_settings("NA").windows.table is None


def test_paths_of_a_table_start_at_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "study").mkdir()
    for name in ("a.nwb", "regions.tsv"):
        (tmp_path / "study" / name).touch()
    (tmp_path / "study" / "my.tsv").write_text(f"{HEADER}\tregions.merge\na\ta.nwb\tnwb\tregions.tsv\n")
    monkeypatch.chdir(tmp_path)
    recording = read_plan({"recordings": "study/my.tsv"}).recordings["a"]
    assert recording.path == Path("study/a.nwb")
    assert recording.tables() == ["study/regions.tsv"]


def test_a_key_misspelt_names_its_section_and_the_likely_key(table: Write) -> None:
    table(HEADER, "a\ta.nwb\tnwb")
    assert mistakes(modls={}) == [
        "my.yaml, modls: found an unknown key, expected one of recordings, results, defaults, models, "
        "inactivations, bench, stored_currents, further_nulls, verdict_windows_s, contrasts, changes, shared, "
        "report, dynamics, degeneracy, oscillators, gates; did you mean 'models'?"
    ]
    [line] = mistakes(models={"m": {"family": "low_rank", "options": {"rnk": 2}}})
    assert line == (
        "my.yaml, models.m.options.rnk: found an unknown key, expected one of rank, max_rank, folds; "
        "did you mean 'rank'?"
    )


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"defaults": {"bin_width_s": -1}}, "defaults.bin_width_s: found -1, expected a number greater than 0"),
        ({"defaults": {"tau_s": "fast"}}, "defaults.tau_s: found \"fast\", expected a number or 'estimate'"),
        (
            {"defaults": {"windows": {"select": [1]}}},
            "defaults.windows.select: found a list, expected a section of keys",
        ),
        ({"defaults": {"inputs": [{"name": "u"}]}}, "defaults.inputs[0]: found none or several of series"),
        (
            {"models": {"m": {"family": "full_rnk"}}},
            "models.m.family: found \"full_rnk\", expected 'full_rank' or 'low_rank'; did you mean 'full_rank'?",
        ),
        (
            {"models": {"m": {"family": "low_rank", "estimator": "force"}}},
            "models.m.estimator: found 'force', expected one of reduced_rank, block_rank, shooting, trajectory, ",
        ),
        (
            {"models": {"m": {"family": "low_rank", "seeds": []}}},
            "models.m.seeds: found an empty list, expected at least",
        ),
        (
            {"models": {"m": {"family": "low_rank", "seeds": [1, 2, 1]}}},
            "models.m.seeds: found 1 twice, expected seeds",
        ),
        (
            {"models": {"m": {"family": "full_rank", "estimator": "shooting", "options": {"rounds": 9}}}},
            "models.m.options.rounds: found 9 with start: one_step, expected start: sparse, the only start that uses",
        ),
        ({"models": {"a/b": {"family": "low_rank"}}}, 'models.a/b: found "a/b", expected letters, digits'),
        (
            {"inactivations": {"s": {"kind": "region", "source": "ca1"}}},
            "inactivations.s.source: found with kind region, expected only the keys region, fraction, seed, action",
        ),
        ({"recordings": "no.tsv"}, 'recordings: found "no.tsv" (no such file), expected a TSV of recordings'),
    ],
)
def test_each_mistake_says_what_was_found_and_expected(table: Write, keys: dict[str, Any], line: str) -> None:
    table(HEADER, "a\ta.nwb\tnwb")
    [mistake] = mistakes(**keys)
    assert mistake.startswith(f"my.yaml, {line}")


def test_all_mistakes_of_a_table_come_at_once(table: Write) -> None:
    table(f"{HEADER}\tbin_width_s", "a\ta.nwb\tnwb\tfast", "a\tgone.nwb\tnwb", "logs\tb.h5\thfd5")
    assert mistakes() == [
        'recordings.tsv, line 2, bin_width_s: found "fast", expected a number',
        'recordings.tsv, line 3, path: found "gone.nwb" (no such file), expected the path of an NWB or HDF5 file; '
        "relative paths are resolved from the folder of this table; did you mean 'a.nwb'?",
        'recordings.tsv, line 3, recording: found "a", as in line 2, expected a name that no other line has',
        'recordings.tsv, line 4, recording: found "logs", expected a name other than tables, logs, benchmarks, shared, '
        "which are folders of the results",
        "recordings.tsv, line 4, format: found \"hfd5\", expected nwb or hdf5; did you mean 'hdf5'?",
    ]


def test_perturbed_trials_are_like_an_experiment_that_is_there(table: Write) -> None:
    cell = "[{column: laser, value: on, like: silense}]"
    table(f"{HEADER}\tperturbed", "a\ta.nwb\tnwb\t", f"b\tb.h5\thdf5\t{cell}")
    assert mistakes() == [
        'perturbed, like: found "silense", expected the name of an entry of inactivations: silence; did '
        "you mean 'silence'?"
    ]


def test_an_euler_step_is_no_longer_than_the_time_constant(table: Write) -> None:
    table(f"{HEADER}\tbin_width_s", "a\ta.nwb\tnwb\t0.05", "b\tb.h5\thdf5\t0.02")
    models = {"fixed": {"family": "full_rank", "tau_s": 0.02}, "free": {"family": "low_rank"}}
    assert mistakes(models=models) == [
        "my.yaml, models.fixed: found tau_s: 0.02 with substeps: 1 in bins of 0.05 s, expected Euler steps no longer "
        "than the time constant; set substeps: 3 or more"
    ]
    models["fixed"]["substeps"] = 3
    assert plan(models=models).fit_model("a", "fixed").substeps == 3


def test_a_column_that_is_not_known(table: Write) -> None:
    table(f"{HEADER}\twindows.tabel", "a\ta.nwb\tnwb\ttrials")
    assert mistakes() == [
        "recordings.tsv, line 1, windows.tabel: found an unknown column, expected a key of `defaults`, nested keys "
        "written with dots; did you mean 'windows.table'?"
    ]


@pytest.mark.parametrize(
    ("columns", "cells", "defaults", "lines"),
    [
        (
            "windows\twindows.table",
            "all\ttrials",
            {},
            [
                "line 2, windows.table: found also the column windows, expected either windows or its keys, not both",
                'line 2, windows: found "all", expected a section of keys',
            ],
        ),
        (
            "regions.merge.CA1",
            "hippocampus",
            {"regions": {"merge": "b.h5"}},
            ["line 2, regions.merge.CA1: found also the column regions.merge, expected either regions.merge or"],
        ),
        (
            "inputs.name",
            "light",
            {"inputs": [{"name": "go", "column": "go"}]},
            ["line 1, inputs.name: found an unknown column, expected a key of `defaults`"],
        ),
    ],
)
def test_a_column_for_a_key_of_what_has_no_keys(
    table: Write, columns: str, cells: str, defaults: dict[str, Any], lines: list[str]
) -> None:
    table(f"{HEADER}\t{columns}", f"a\ta.nwb\tnwb\t{cells}")
    found_lines = mistakes(defaults=defaults)
    assert len(found_lines) == len(lines)
    for found_line, line in zip(found_lines, lines, strict=True):
        assert found_line.startswith(f"recordings.tsv, {line}")


def test_a_config_that_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"found a file that cannot be read .* expected a config in YAML"):
        read_plan(tmp_path)


def test_a_line_that_ends_early_lacks_what_follows(table: Write) -> None:
    table("path\tformat\trecording", "a.nwb\tnwb")
    assert mistakes() == [
        'recordings.tsv, line 2, recording: found "", expected letters, digits, `_`, `.`, `+` and `-`, beginning '
        "with a letter, a digit or `_`"
    ]


def test_a_table_without_tabs(table: Write) -> None:
    table("recording path format", "a a.nwb nwb")
    assert mistakes() == [
        "recordings.tsv, line 1: found no column recording, path, format, expected recording, path, format; separate "
        "the columns by tabs"
    ]


def menu_recording() -> xr.Dataset:
    """A recording of two regions, two trials and no input."""
    return xr.Dataset(
        {"rates": (("trial", "time", "unit"), np.zeros((2, 3, 2)))},
        coords={
            "unit_id": ("unit", np.array(["u1", "u2"])),
            "region": ("unit", np.array(["adn", "ca1"])),
            "input": ("input", np.array([], dtype=str)),
            "condition": ("trial", np.array(["all", "all"])),
            "time": np.arange(3) * 0.1,
        },
        attrs={"recording": "mouse", "dt_s": 0.1},
    )


def test_experiments_name_regions_and_inputs_that_exist() -> None:
    recording = menu_recording()
    good = {"s": Inactivation(), "r": Inactivation(region="adn"), "p": Inactivation(kind="pathway", source="ca1")}
    check_experiments(recording, good)
    with pytest.raises(UserError) as raised:
        check_experiments(
            recording, good | {"x": Inactivation(region="ca3"), "u": Inactivation(kind="input", input="v")}
        )
    assert str(raised.value).splitlines() == [
        'config, inactivations.x.region: found "ca3", expected one of the regions of recording mouse: adn, ca1; did '
        "you mean 'ca1'?",
        'config, inactivations.u.input: found "v", expected one of the inputs of recording mouse, but this '
        "recording has no inputs",
    ]


def test_an_experiment_is_left_out_of_a_recording_that_lacks_its_region() -> None:
    recording = menu_recording()
    wanted = {"s": Inactivation(), "x": Inactivation(region="V1"), "c": Inactivation(conditions=["odour"])}
    bench = ExperimentSettings(readout=["lick"])
    experiments = Experiments(inactivations=wanted, bench=bench)
    possible, remarks = possible_experiments(recording, experiments, is_one_of_many=True)
    assert list(possible.inactivations) == ["s"]
    assert possible.bench.readout == []
    assert [remark.split(". ")[0] for remark in remarks] == [
        "The experiment x is left out for this recording",
        "The experiment c is left out for this recording",
        "The readout lick is left out for this recording",
    ]
    with pytest.raises(UserError, match=r'inactivations\.x\.region: found "V1"'):
        possible_experiments(recording, experiments, is_one_of_many=False)
    named = Experiments(inactivations={"x": Inactivation(region="V1", recordings=["mouse"])})
    with pytest.raises(UserError, match=r'inactivations\.x\.region: found "V1"'):
        possible_experiments(recording, named, is_one_of_many=True)


def test_an_experiment_names_the_recordings_that_it_is_for(table: Write) -> None:
    table(HEADER, "a\ta.nwb\tnwb", "b\tb.h5\thdf5")
    experiments = {"everywhere": {}, "here": {"region": "V1", "recordings": ["a"]}}
    made = plan(inactivations=experiments)
    assert list(made.experiments("a").inactivations) == ["everywhere", "here"]
    assert list(made.experiments("b").inactivations) == ["everywhere"]
    assert mistakes(inactivations={"here": {"recordings": ["aa"]}}) == [
        "my.yaml, inactivations.here.recordings: found \"aa\", expected names of recordings: a, b; did you mean 'a'?"
    ]
    table(f"{HEADER}\tperturbed", "a\ta.nwb\tnwb", "b\tb.h5\thdf5\t[{column: laser, value: 1, like: here}]")
    assert mistakes(inactivations=experiments) == [
        "my.yaml, inactivations.here.recordings: found a, expected also b, whose perturbed trials are compared with "
        "this experiment"
    ]


def test_a_merge_table_may_be_shared(table: Write) -> None:
    table(f"{HEADER}\tregions.merge", "a\ta.nwb\tnwb", "b\tb.h5\thdf5", "c\tb.h5\thdf5\t{x: y}")
    made = plan(defaults={"regions": {"merge": {"VISp1": "VISp"}}})
    assert ["regions.merge" in made.shared_settings(name) for name in "abc"] == [True, True, False]


def test_settings_on_the_command_line_are_checked_too() -> None:
    with pytest.raises(UserError, match=r"^--settings, bin_width: found an unknown key.*'bin_width_s'"):
        parse_json("--settings", '{"bin_width": 1}', RecordingSettings)
    with pytest.raises(UserError, match=r"^--settings: found text that is not valid JSON"):
        parse_json("--settings", "bin_width_s: 1", RecordingSettings)


def test_generated_files_are_current() -> None:
    """`make docs` writes them."""
    for name, text in documents.documents(ROOT).items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"{name} is not current: run make docs"


def test_the_data_dictionary_marks_columns_that_files_may_lack() -> None:
    lines = documents.data_dictionary()
    # What a population network has is not known of teachers only.
    for name in ("curvature", "share_low", "expected_hz"):
        (row,) = [line for line in lines if line.startswith(f"| *{name}* |")]
        assert "teacher" not in row
    assert [line for line in lines if line.startswith("| p_value |")]


def test_the_schema_takes_the_configs_that_the_workflow_takes() -> None:
    import jsonschema
    import yaml

    schema = json.loads((ROOT / "workflow/schemas/config.schema.json").read_text(encoding="utf-8"))
    configs = [ROOT / "config/config.yaml", *sorted((ROOT / "config/examples").glob("*.yaml"))]
    assert len(configs) >= 5
    for path in configs:
        jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"recordings": "my.tsv", "modls": {}}, schema)


def test_every_key_has_a_meaning() -> None:
    sections = [Config, Model, RecordingSettings, Inactivation, ExperimentSettings]
    sections += [options for family in ESTIMATORS.values() for options in family.values()]
    nested = ("windows", "regions", "units", "hdf5", "inputs", "defaults", "bench", "cell_types")
    for section in sections:
        for name, field in section.model_fields.items():
            assert field.description or name in nested, f"{section.__name__}.{name}"
    rows = [line for line in documents.config_keys() if line.startswith("| `")]
    assert len(rows) > 100
    assert not [row for row in rows if row.endswith("|  |")]


def test_relative_paths_start_at_the_config_or_else_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, home = tmp_path / "my study [1]", tmp_path / "home"
    study.mkdir()
    (home / "tables").mkdir(parents=True)
    for name in ("a.nwb", "merge.tsv", "units.tsv"):
        (study / name).touch()
    (study / "my.tsv").write_text(f"{HEADER}\na\ta.nwb\tnwb\nb\t~/b.h5\thdf5\n", encoding="utf-8")
    (home / "b.h5").touch()
    (home / "tables" / "regions.tsv").touch()
    (study / "my.yaml").write_text(
        "recordings: my.tsv\nresults: out\n"
        "defaults: {regions: {merge: merge.tsv, mapping: ~/tables/regions.tsv}}\n"
        "inactivations: {x: {parts: [{kind: units, table: units.tsv}, {kind: region}]}}\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    made = read_plan(study / "my.yaml")
    assert made.config.results == str(study / "out")
    assert made.recordings["a"].path == study / "a.nwb"
    assert made.recordings["b"].path == home / "b.h5"
    assert made.recordings["a"].settings.regions.merge == str(study / "merge.tsv")
    assert made.recordings["a"].settings.regions.mapping == str(home / "tables" / "regions.tsv")
    assert made.unit_tables() == [str(study / "units.tsv")]
    monkeypatch.chdir(study)
    beside = read_plan("my.yaml").config
    assert (beside.recordings, beside.results) == ("my.tsv", "out")
    (home / "there.yaml").write_text("recordings: my.tsv\nresults: ~/out\n", encoding="utf-8")
    elsewhere = read_plan(home / "there.yaml").config
    assert (elsewhere.recordings, elsewhere.results) == ("my.tsv", str(home / "out"))


def test_columns_without_name_and_cells_are_ignored(table: Write) -> None:
    table(f"{HEADER}\t\t", "a\ta.nwb\tnwb\t\t", "b\tb.h5\thdf5\t\t\t\t")
    assert list(plan().recordings) == ["a", "b"]
    table(f"{HEADER}\t\tbin_width_s", "a\ta.nwb\tnwb\t\t0.02")
    assert plan().recording_settings("a").bin_width_s == 0.02
    table(f"{HEADER}\t\t", "a\ta.nwb\tnwb\t\t0.02")
    assert mistakes() == [
        "recordings.tsv, line 1: found a blank header in column 4, expected a name in the header of every column that "
        "has cells"
    ]


def test_keys_that_contradict_each_other(table: Write) -> None:
    table(HEADER, "a\ta.nwb\tnwb", "b\tb.h5\thdf5")
    counts = {"family": "full_rank", "estimator": "state_space", "options": {"noise": "counts"}}
    windows = {"start_s": 0, "stop_s": 0.2}
    assert mistakes(models={"counts": counts}, defaults={"bin_width_s": 0.5, "windows": windows}) == [
        "my.yaml, models.counts: found noise: counts with scaling: largest, expected scaling: counts, smoothing_s: 0; "
        "set both keys in the section of the model, next to `estimator`",
        "my.yaml, recording a, bin_width_s: found 0.5 s, expected bins that fit into the trials of 0.2 s "
        "(windows.start_s to windows.stop_s)",
        "my.yaml, recording b, bin_width_s: found 0.5 s, expected bins that fit into the trials of 0.2 s "
        "(windows.start_s to windows.stop_s)",
    ]
    plan(models={"counts": counts | {"scaling": "counts", "smoothing_s": 0}})
    assert mistakes(defaults={"windows": {"start_s": 1, "stop_s": 0}}, recordings="gone.tsv") == [
        "my.yaml, defaults.windows.stop_s: found 0, expected a time after start_s: 1",
        'my.yaml, recordings: found "gone.tsv" (no such file), expected a TSV of recordings; relative paths are '
        "resolved from the folder of the config, or else from the working directory",
    ]


def test_braces_in_a_path_are_told_before_snakemake_takes_them_for_wildcards(table: Write) -> None:
    Path("a{1}.nwb").touch()
    table(HEADER, "a\ta{1}.nwb\tnwb")
    assert mistakes() == [
        'recordings.tsv, line 2, path: found "a{1}.nwb", expected a path without braces, which Snakemake takes for '
        "wildcards; rename the file, or make a link to it"
    ]
    assert mistakes(results="out {x}")[0].startswith('my.yaml, results: found "out {x}", expected the path of a folder')


def test_a_key_that_stands_twice_is_told(tmp_path: Path) -> None:
    """YAML would keep the last `defaults` and lose the first without a word."""
    config = tmp_path / "my.yaml"
    config.write_text("recordings: my.tsv\ndefaults: {bin_width_s: 0.1}\ndefaults: {smoothing_s: 0}\n")
    with pytest.raises(UserError, match=r"found the key 'defaults' twice in the same section"):
        read_plan(config)


def test_a_key_in_the_wrong_section_is_told_its_place(table: Write) -> None:
    table(HEADER, "a\ta.nwb\tnwb")
    assert mistakes(bin_width_s=0.1)[0].endswith("; write it under defaults")
    assert mistakes(defaults={"min_rate_hz": 1.0})[0].endswith("; write it under units")


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"inactivations": {False: {"region": "A"}}}, "inactivations: found the name false, expected a name that is"),
        ({"inactivations": {"quiet": {"region": False}}}, "inactivations.quiet.region: found false, expected text"),
        ({"models": {1: {"family": "full_rank"}}}, "models: found the name 1, expected a name that is text"),
    ],
)
def test_what_yaml_reads_as_something_else_asks_for_quotes(table: Write, keys: dict[str, Any], line: str) -> None:
    table(HEADER, "a\ta.nwb\tnwb")
    [mistake] = mistakes(**keys)
    assert mistake.startswith(f"my.yaml, {line}")
    assert "in quotes" in mistake


def test_numbers_that_no_computation_can_use_are_refused(table: Write) -> None:
    table(HEADER, "a\ta.nwb\tnwb")
    for value in (float("inf"), float("nan")):
        [mistake] = mistakes(defaults={"smoothing_s": value})
        assert mistake == f"my.yaml, defaults.smoothing_s: found {value}, expected a finite number"
    [mistake] = mistakes(models={"m": {"family": "full_rank", "seeds": [0, -1]}})
    assert mistake == "my.yaml, models.m.seeds[1]: found -1, expected a number of at least 0"


def test_results_where_a_file_stands_are_a_mistake(table: Write) -> None:
    table(HEADER, "a\ta.nwb\tnwb")
    for results in ("a.nwb", "a.nwb/out"):
        [mistake] = mistakes(results=results)
        assert mistake.startswith(f'my.yaml, results: found "{results}", where ')
        assert "a.nwb is a file" in mistake


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (f"{HEADER}\na\ta.nwb\tnwb\n".encode("utf-16"), "text in UTF-16"),
        (f"{HEADER}\né\ta.nwb\tnwb\n".encode("latin-1"), "text in another encoding"),
        (b"PK\x03\x04\x00\x00", "a workbook of a spreadsheet program"),
        (b"\x89HDF\r\n\x1a\n\x00", "an HDF5 or NWB file"),
        (b"", "an empty file"),
    ],
)
def test_a_table_that_is_no_text_is_called_by_name(table: Write, content: bytes, kind: str) -> None:
    table(HEADER).write_bytes(content)
    [mistake] = mistakes()
    assert mistake.startswith(f'my.yaml, recordings: found "recordings.tsv", {kind}')


def test_a_file_that_is_missing_points_at_the_nearest_name(table: Write) -> None:
    table(HEADER, "a\t./b.hd5\thdf5", "b\t*.nwb\tnwb", "c\t$DATA/a.nwb\tnwb")
    nearest, *others = mistakes()
    assert nearest.endswith("did you mean 'b.h5'?")
    assert len(others) == 2
    assert all(mistake.endswith("patterns and variables are not replaced") for mistake in others)


def test_paths_of_windows_and_errors_of_spreadsheets_are_told(table: Write) -> None:
    table(f"{HEADER}\tsubject", "a\tC:\\data\\a.nwb\tnwb\t#NAME?")
    error, path = mistakes()
    assert (
        error
        == "recordings.tsv, line 2, subject: found #NAME?, expected a value, not an error of a spreadsheet program"
    )
    assert path.endswith("write / between folders; inside WSL, the drive C: of Windows is /mnt/c")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("results: Mäuse\n".encode("latin-1"), "found text in another encoding than UTF-8"),
        (b"defaults:\n\tbin_width_s: 1\n", "indent with spaces, not with tabs"),
    ],
)
def test_a_config_in_another_encoding_or_with_tabs(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "my.yaml").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_plan(tmp_path / "my.yaml")


def test_names_of_recordings_differ_on_every_file_system(table: Write) -> None:
    table(HEADER, "a\ta.nwb\tnwb", "A\tb.h5\thdf5")
    [mistake] = mistakes()
    assert mistake.startswith('recordings.tsv, line 3, recording: found "A", which differs from a in line 2 by case')


def test_a_header_in_capitals_says_how_it_is_written(table: Write) -> None:
    table(HEADER.upper(), "a\ta.nwb\tnwb")
    [mistake] = mistakes()
    assert mistake.endswith("write recording, path, format instead of RECORDING, PATH, FORMAT")
