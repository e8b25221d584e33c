"""Every command and every program of the tutorial and of the how-to pages does what the page says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml

from curbd.settings.config import Config
from tests.documents.page import Block, Reader, blocks
from tests.support.workspace import ENVIRONMENT, ROOT

TUTORIAL = "docs/tutorial.md"
HOW_TO = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "how-to").glob("*.md"))
MACAQUE = "the macaque recordings"


def on_every_machine(page: list[Block]) -> list[Block]:
    """The blocks of a page that need nothing but this repository."""
    return [block for block in page if block.needs is None]


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Somebody who has followed the tutorial, without the real recordings."""
    reader = Reader(tmp_path_factory.mktemp("tutorial"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(reader.folder)
        reader.follow(on_every_machine(blocks(TUTORIAL)))
    return reader


def test_the_tutorial_ends_with_the_answers_that_it_states(tutorial: Reader) -> None:
    results = tutorial.folder / "out" / "tables"
    assert (results / "report.html").is_file()
    pathways = pd.read_csv(results / "pathways.csv").set_index(["source", "target"])
    # The teacher has no weights from C to A.
    assert pathways.loc[("C", "A"), "grade"] == "no_evidence"
    assert pathways.loc[("B", "A"), "verdict"] == "resolved"
    assert pathways.loc[("A", "C"), "grade"] == "supported"
    asymmetry = tutorial.names["asymmetry"]
    assert isinstance(asymmetry, pd.DataFrame)
    assert (asymmetry["ci_low"] > 0).all()
    contrasts = tutorial.names["contrasts"]
    assert isinstance(contrasts, pd.DataFrame)
    q_values = contrasts.set_index(["source", "target"])["q_value"]
    assert q_values[("C", "B")] < 0.05 < q_values[("C", "A")]
    effects = tutorial.names["effects"]
    assert isinstance(effects, pd.DataFrame)
    verdicts = effects.groupby(["acts_on", "target"])["verdict"].agg(set)
    assert verdicts[("A", "C")] == {"supported"}
    assert verdicts[("C", "A")] == verdicts[("B", "A")] == {"unsupported"}


def test_the_macaque_of_the_tutorial_can_be_run(tutorial: Reader, recordings: Path) -> None:
    """The check opens all files; the run of three sessions takes minutes and is left out."""
    for file in recordings.glob("macaque_twostep_charlie_*.nwb"):
        (tutorial.folder / file.name).symlink_to(file)
    commands = [block for block in blocks(TUTORIAL) if block.needs == MACAQUE and block.language == "bash"]
    assert commands
    tutorial.run(commands[0].text.replace("--cores 2", "--dry-run"))
    assert "3 of 3 recordings: no mistake" in tutorial.printed


@pytest.mark.parametrize("page", HOW_TO)
def test_a_how_to_page_can_be_followed(
    page: str, tutorial: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages start in the folder that the tutorial leaves."""
    reader = Reader(Path(shutil.copytree(tutorial.folder, tmp_path / "tutorial", symlinks=True)))
    monkeypatch.chdir(reader.folder)
    reader.follow(on_every_machine(blocks(page)))


def test_the_tables_lead_to_the_same_conclusions_in_r(
    tutorial: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = blocks("docs/how-to/tables.md")
    program = next(block.text for block in page if block.language == "r")
    rscript = shutil.which("Rscript")
    if rscript is None:
        pytest.skip("no Rscript on this machine")
    reader = Reader(Path(shutil.copytree(tutorial.folder, tmp_path / "tutorial", symlinks=True)))
    monkeypatch.chdir(reader.folder)
    reader.follow(on_every_machine(page))
    run = subprocess.run([rscript, "-e", program], env=ENVIRONMENT, check=True, capture_output=True, text=True)
    assert re.search(r"C\s+A\s+no_evidence", run.stdout)
    asymmetry = tutorial.names["asymmetry"]
    assert isinstance(asymmetry, pd.DataFrame)
    assert f"A adds {100 * asymmetry['estimate'].iloc[0]:.2f} % more" in run.stdout
    assert re.search(r"C\s+B\s+[\d.]+\s+[\d.]+", run.stdout)
    assert (reader.folder / "current.pdf").read_bytes().startswith(b"%PDF")


def test_the_experiments_of_the_page_are_valid() -> None:
    """The table of docs/experiments.md has an entry of `inactivations` for every question."""
    rows = re.findall(r"^\| [^|]+\? \| (.+) \|$", (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8"), re.M)
    entries = [entry for row in rows for entry in re.findall(r"`(\w+: \{.*?\})`(?:$|,| or)", row)]
    assert len(entries) >= len(rows) > 10
    for entry in entries:
        Config.model_validate({"recordings": "my.tsv", "inactivations": yaml.safe_load(entry)})


def test_every_page_is_in_the_contents() -> None:
    """The build of the site fails otherwise; this test says so where the site is not built."""
    contents = set((ROOT / "docs" / "index.md").read_text(encoding="utf-8").splitlines())
    folder = ROOT / "docs"
    pages = {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.md")} - {"index"}
    assert pages <= contents
