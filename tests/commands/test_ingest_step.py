"""The settings of the step ingest, and what its remarks are about."""

from __future__ import annotations

from pathlib import Path

import pytest

from curbd.commands.ingest_step import ingest_settings
from curbd.settings.plan_reading import read_plan


def test_remarks_are_about_the_models_that_are_fitted_to_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.h5").touch()
    Path("my.tsv").write_text("recording\tpath\tformat\na\ta.h5\thdf5\n", encoding="utf-8")
    population = {"family": "low_rank", "estimator": "population", "bin_width_s": 0.02}
    plan = read_plan({"recordings": "my.tsv", "models": {"units": {"family": "full_rank"}, "regions": population}})
    of_everything = {"regions", "trials", "single units", "populations"}
    assert ingest_settings(None, "a", None).purposes == of_everything
    assert ingest_settings(plan, "a", None).purposes == of_everything
    of_model = ingest_settings(plan, "a", "regions")
    assert of_model.purposes == {"regions", "trials", "populations"}
    assert of_model.recording.bin_width_s == 0.02
