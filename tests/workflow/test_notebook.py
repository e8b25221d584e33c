"""The program in the docstring of the package runs."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

import curbd
from curbd import tables, teachers


def test_the_docstring_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = teachers.multi_region(units=6, trials=10, samples=60, seed=1)
    teachers.write_nwb(teacher, tmp_path / "session.nwb", peak_rate_hz=50.0)
    monkeypatch.chdir(tmp_path)
    assert curbd.__doc__ is not None
    program = curbd.__doc__.partition("::")[2].partition("Spike times and rates in memory")[0]
    names: dict[str, object] = {}
    exec(textwrap.dedent(program), names)
    assert tables.problems("pathways", names["pathways"]) == []
    assert tables.problems("inactivations", names["effects"]) == []
    assert set(names["session"].units["region"]) == {"A", "B", "C"}
