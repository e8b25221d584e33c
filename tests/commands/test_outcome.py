"""Which recordings and models have all their results, and why the others do not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from curbd.commands.outcome import closing_lines, outcome, results_to_collect
from curbd.errors import UserError
from curbd.settings.plan import Plan
from curbd.settings.plan_reading import read_plan
from curbd.settings.result_files import paths_of_models, paths_of_recordings


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Two recordings and two models, all with all their results."""
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        Path(f"{name}.h5").touch()
    Path("my.tsv").write_text("recording\tpath\tformat\na\ta.h5\thdf5\nb\tb.h5\thdf5\n", encoding="utf-8")
    models = {"full": {"family": "full_rank"}, "low": {"family": "low_rank"}}
    plan = read_plan({"recordings": "my.tsv", "models": models})
    for path in [*paths_of_recordings(plan, "ab"), "a/experiments.json", "b/experiments.json"]:
        write(Path("results", path), 10)
    for path in paths_of_models(plan, {name: ["full", "low"] for name in "ab"}):
        write(Path("results", path), 20)
    return plan


def write(path: Path, second: int, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (second, second))


def test_a_whole_run_leaves_nothing_out(plan: Plan) -> None:
    assert outcome(Path("results"), plan) == ({"a": ["full", "low"], "b": ["full", "low"]}, {})


def test_a_recording_that_was_not_ingested_is_left_out_with_the_reason(plan: Plan) -> None:
    Path("results/b/recording.nc").unlink()
    write(Path("results/logs/ingest/b.log"), 5, "a line\nb (b.h5): found a truncated file\n\n")
    fits, left_out = outcome(Path("results"), plan)
    assert fits == {"a": ["full", "low"]}
    assert left_out == {"b": "the step ingest did not finish: b (b.h5): found a truncated file"}


def test_a_model_without_all_its_files_is_left_out(plan: Plan) -> None:
    Path("results/a/low/latents.parquet").unlink()
    write(Path("results/logs/latents/a/low.log"), 5, "found nothing\n")
    fits, left_out = outcome(Path("results"), plan)
    assert fits == {"a": ["full"], "b": ["full", "low"]}
    assert left_out == {"a, low": "the step latents did not finish: found nothing"}


def test_experiments_that_cannot_be_done_are_the_reason(plan: Plan) -> None:
    Path("results/a/experiments.json").unlink()
    Path("results/a/full/inactivations.csv").unlink()
    write(Path("results/logs/experiments/a.log"), 5, 'inactivations.x.region: found "V1"')
    left_out = outcome(Path("results"), plan).left_out
    assert left_out == {"a, full": 'the step experiments did not finish: inactivations.x.region: found "V1"'}


def test_results_of_an_earlier_recording_do_not_count(plan: Plan) -> None:
    write(Path("results/a/recording.nc"), 30)
    write(Path("results/b/full/network.nc"), 30)
    fits, left_out = outcome(Path("results"), plan)
    assert fits == {"b": ["low"]}
    assert left_out == {
        "a, full": "the step fit did not finish",
        "a, low": "the step fit did not finish",
        "b, full": "the step currents did not finish",
    }


def test_the_end_of_a_run_names_what_is_missing_and_what_to_look_at(tmp_path: Path) -> None:
    path = tmp_path / "provenance.json"
    path.write_text('{"left_out": {"c": "broken"}, "remarks": {"a": ["x is left out."], "b": []}}', encoding="utf-8")
    assert closing_lines(path) == [
        "Not in the tables and the report:",
        "  c: broken",
        "Look at these:",
        "  a: x is left out.",
    ]


def test_a_partial_collection_leaves_out_what_is_missing_and_needs_one_model(plan: Plan) -> None:
    every = {"a": ["full", "low"], "b": ["full", "low"]}
    Path("results/a/low/latents.parquet").unlink()
    assert results_to_collect(Path("results"), plan, partial=False) == (every, {})
    assert results_to_collect(Path("results"), plan, partial=True).fits == every | {"a": ["full"]}
    for name in "ab":
        Path(f"results/{name}/recording.nc").unlink()
    with pytest.raises(UserError, match=r"no model has all its results.*\n  a: the step ingest did not finish"):
        results_to_collect(Path("results"), plan, partial=True)
