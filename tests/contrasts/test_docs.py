"""The program in docs/contrasts.md runs."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from curbd import tables, teachers
from curbd.settings.config import Config

PAGE = (Path(__file__).parents[2] / "docs" / "contrasts.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The first block of code in a language."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_program_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = teachers.multi_region(units=6, trials=20, samples=40, seed=1)
    teachers.write_nwb(teacher, tmp_path / "session.nwb", peak_rate_hz=50.0)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(block("python"), names)
    strong = names["strong"]
    assert isinstance(strong, pd.DataFrame)
    assert set(strong.columns) <= set(tables.TABLES["contrasts"].names)


def test_the_contrasts_of_the_page_are_valid() -> None:
    config = Config.model_validate({"recordings": "my.tsv"} | yaml.safe_load(block("yaml")))
    assert list(config.contrasts) == ["reward", "late", "alike"]
