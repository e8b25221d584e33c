"""What the page of a model tells a reader with a pointer and keys, in a real browser."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curbd import tables
from curbd.errors import UserError
from curbd.report.figures import plot
from tests.support.small_run import REGIONS

TIME = 0.2
"""A time between the bins of the trials, at which a reader points into figures."""


@pytest.fixture(scope="module")
def answers(run: Path, page: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page of the full-rank network of the three regions tells a reader with a pointer and keys."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium on this machine")
    text = (run / "tables" / "report" / "recordings" / "three" / "full.html").read_text(encoding="utf-8")
    reader = (Path(__file__).parent / "reader.js").read_text(encoding="utf-8")
    reader = f"const TIME = {TIME};\nconst CHOSEN = {json.dumps(['A & co', '$C_'])};\n{reader}"
    folder = tmp_path_factory.mktemp("browser")
    read = folder / "page.html"
    read.write_text(text.replace("</body>", f"<script>{reader}</script></body>"), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'user'}", "--dump-dom"]
    shown = subprocess.run([browser, *options, read.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    answer = re.search(r"<pre>(.*?)</pre>", shown.stdout, re.DOTALL)
    assert answer, shown.stdout[-500:]
    return dict(json.loads(html.unescape(answer[1])))


def test_curves_tell_their_values_under_the_pointer(run: Path, answers: dict[str, Any]) -> None:
    currents = tables.read("currents", run / "tables" / "currents.parquet")
    currents = currents[
        (currents["recording"] == "three") & (currents["model"] == "full") & (currents["sign"] == "net")
    ]
    named = dict.fromkeys(currents["source"].unique())
    assert len(answers["values"]) == len(REGIONS) * (len(named) - 1)
    for text in answers["values"]:
        pathway, at, *lines = text.split("\n")
        source, target = (name.removesuffix(" (input)") for name in pathway.split(" → "))
        source = source if source in named else f"input:{source}"
        assert float(at.removeprefix("time (s): ")) == pytest.approx(TIME, abs=0.01)
        of_pathway = currents[(currents["target"] == target) & (currents["source"] == source)]
        # Half a point of a panel, by which a thinned line may move, and half a unit of the third digit.
        precision = 0.01 * np.ptp(of_pathway[["ci_low", "ci_high"]].to_numpy())
        for line in lines:
            match = re.fullmatch(r"side=(\w+): (\S+) \[(\S+), (\S+)\]", line.replace("\u2212", "-"))
            if match is None:
                assert "true" in line
                continue
            course = of_pathway[of_pathway["condition"] == match[1]].sort_values("time_s")
            for column, number in zip(("mean", "ci_low", "ci_high"), match.groups()[1:], strict=True):
                expected = np.interp(TIME, course["time_s"], course[column])
                assert float(number) == pytest.approx(expected, rel=0.006, abs=precision)
        assert sum("[" in line for line in lines) == 2


def test_a_part_of_a_figure_is_shown_larger_and_the_whole_is_saved(answers: dict[str, Any]) -> None:
    assert answers["zoomed"]
    assert answers["saved"]
    assert answers["unzoomed"]


def test_values_can_be_reached_by_keys_and_are_spoken(answers: dict[str, Any]) -> None:
    assert "time (s): " in answers["spoken"]
    assert " → " in answers["spoken"]


def test_cells_tell_verdict_and_numbers(run: Path, answers: dict[str, Any]) -> None:
    rows = tables.read("pathways", run / "tables" / "pathways.csv")
    rows = rows[(rows["recording"] == "three") & (rows["model"] == "full")]
    assert len(answers["cells"]) == rows["share"].notna().sum()
    assert all(
        re.search(r" → .*: (resolved|supported|cannot tell|no evidence).*; share .*, rms ", cell)
        for cell in answers["cells"]
    )


def test_long_names_of_conditions_stay_inside_the_figure_of_chosen_regions(answers: dict[str, Any]) -> None:
    assert answers["legend"] == [True, True]


def test_a_reader_chooses_regions(run: Path, answers: dict[str, Any]) -> None:
    assert sorted(text.split(" (")[0] for text in answers["chosen"]) == sorted(
        f"{source} → {target}" for source in ("A & co", "$C_") for target in ("A & co", "$C_")
    )
    assert all(text.count("side=") == 2 for text in answers["chosen"])
    currents = tables.read("currents", run / "tables" / "currents.parquet")
    currents = currents[
        (currents["recording"] == "three") & (currents["model"] == "full") & (currents["sign"] == "net")
    ]
    for text in answers["chosen"]:
        source, target = text.split(" (")[0].split(" → ")
        of_pathway = currents[(currents["source"] == source) & (currents["target"] == target)]
        for condition, number in re.findall(r"side=(\w+): (\S+)", text.replace("\u2212", "-")):
            course = of_pathway[of_pathway["condition"] == condition].sort_values("time_s")
            expected = np.interp(TIME, course["time_s"], course["mean"])
            # The numbers on the page are 250 steps of the range of the pathway.
            assert float(number) == pytest.approx(expected, abs=0.03 * np.ptp(of_pathway[["ci_low", "ci_high"]]))
    assert answers["code"].endswith("regions=['$C_', 'A & co'])")
    axes = plot(run, "currents", recording="three", model="full", regions=["A & co", "$C_"])
    assert [panel.get_label() for panel in axes] == [text.split(" (")[0] for text in answers["chosen"]]
    with pytest.raises(UserError, match="did you mean"):
        plot(run, "currents", recording="three", model="full", regions=["A & C"])
