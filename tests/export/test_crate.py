"""The description of a run as an RO-Crate, as the library of RO-Crates reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rocrate.rocrate import ROCrate

from curbd import tables
from curbd.export.crate import BIOSCHEMAS, PROFILES, write_crate
from tests.support.workspace import ROOT

ORIGIN: dict[str, Any] = {
    "commit": "abc",
    "versions": {"snakemake": "9.27.1"},
    "recordings": {
        "mouse1": {"path": "/data/mouse1.nwb", "format": "nwb", "sha256": "12ab"},
        "mouse2": {"path": "/data/mouse2.h5", "format": "hdf5", "sha256": "34cd"},
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of tables that is described as an RO-Crate."""
    for name in ("pathways", "nulls", "latents"):
        tables.write(name, tables.empty(name), tmp_path / tables.TABLES[name].file)
    (tmp_path / "provenance.json").write_text(json.dumps(ORIGIN), encoding="utf-8")
    write_crate(tmp_path, ROOT / "Snakefile", ORIGIN)
    return tmp_path


def test_the_crate_says_which_workflow_made_which_tables_from_which_recordings(folder: Path) -> None:
    crate = ROCrate(folder)
    assert set(PROFILES) <= {profile.id for profile in crate.root_dataset["conformsTo"]}
    workflow = crate.mainEntity
    assert {"File", "SoftwareSourceCode", "ComputationalWorkflow"} == set(workflow.type)
    assert workflow["programmingLanguage"]["name"] == "Snakemake"
    assert workflow["conformsTo"] in (BIOSCHEMAS, {"@id": BIOSCHEMAS})
    run = crate.root_dataset["mentions"]
    assert run["instrument"] == workflow
    made = {file.id for file in run["result"]}
    assert made == {"pathways.csv", "nulls.csv", "latents.parquet", "provenance.json"}
    assert {(read["name"], read["sha256"]) for read in run["object"]} == {("mouse1", "12ab"), ("mouse2", "34cd")}
    assert pd.Timestamp(run["endTime"]).tzinfo is not None


def test_every_file_of_the_crate_is_in_the_folder(folder: Path) -> None:
    files = [entity for entity in ROCrate(folder).data_entities if "File" in entity.type]
    assert len(files) > 5
    for file in files:
        assert (folder / file.id).is_file(), file.id
    assert (folder / "Snakefile").read_text() == (ROOT / "Snakefile").read_text()


def test_the_description_holds_no_path_of_the_machine(folder: Path) -> None:
    assert "/data/" not in (folder / "ro-crate-metadata.json").read_text()
