"""Every table of a run is a file of one step, and a config that asks for less has fewer files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from curbd.settings.plan import Plan
from curbd.settings.plan_reading import read_plan
from curbd.settings.result_files import files_of_model, files_of_recording, files_of_study
from curbd.tables import FROM_COLLECTED, TABLES

MODELS = {
    "full": {"family": "full_rank"},
    "low": {"family": "low_rank"},
    "populations": {"family": "low_rank", "estimator": "population"},
}
ALL_ANALYSES = {
    "inactivations": {"silence": {}},
    "verdict_windows_s": 0.5,
    "contrasts": {"side": {"column": "side", "levels": ["left", "right"]}},
    "changes": {"days": {"column": "day", "levels": ["1", "2"]}},
    "dynamics": "autonomous",
    "degeneracy": True,
    "oscillators": True,
    "gates": True,
    "shared": {},
    "defaults": {"perturbed": [{"column": "laser", "value": "on", "like": "silence"}]},
}


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    for name in "ab":
        (tmp_path / f"{name}.h5").touch()
    path = tmp_path / "recordings.tsv"
    path.write_text("recording\tpath\tformat\na\ta.h5\thdf5\nb\tb.h5\thdf5\n", encoding="utf-8")
    return path


def files(plan: Plan, *models: str) -> list[str]:
    steps = [files_of_study(plan), files_of_recording(plan), *(files_of_model(plan, "a", name) for name in models)]
    return [file for of_step in steps for names in of_step.values() for file in names]


def test_every_table_is_written_by_one_step(recordings: Path) -> None:
    plan = read_plan({"recordings": str(recordings), "models": MODELS, **ALL_ANALYSES})
    tables = {table.file for name, table in TABLES.items() if name not in FROM_COLLECTED}
    low = Counter(files(plan, "low"))
    of_every_model = low + Counter(files(plan, "full"))
    assert tables <= set(of_every_model)
    assert all(low[file] <= 1 for file in tables)


def test_files_depend_on_the_kind_of_model(recordings: Path) -> None:
    plan = read_plan({"recordings": str(recordings), "models": MODELS, **ALL_ANALYSES})
    full, low, populations = (set(files_of_model(plan, "a", name)) for name in MODELS)
    assert full - low == {"changes"}
    assert low - full == {"latents", "mechanism"}
    assert populations == low - {"mechanism"}


def test_files_depend_on_what_the_config_asks_for(recordings: Path) -> None:
    plan = read_plan({"recordings": str(recordings), "models": MODELS, "inactivations": {}})
    assert list(files_of_model(plan, "a", "full")) == ["fit", "currents"]
    assert list(files_of_recording(plan)) == ["ingest"]
    assert files_of_study(plan) == {}
