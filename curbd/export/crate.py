"""The description of a run's tables as an RO-Crate, which archives and registries of workflows read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

from rocrate.model.computationalworkflow import ComputationalWorkflow
from rocrate.model.contextentity import ContextEntity
from rocrate.model.file import File
from rocrate.rocrate import ROCrate

from curbd import tables
from curbd.storage.whole_files import whole_file

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
"""Identifier of a profile that the description follows -> its name."""
FORMAT_VERSION = "1.1"
"""Version of RO-Crate that these profiles build on."""
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
ENCODING = {".csv": "text/csv", ".parquet": "application/vnd.apache.parquet", ".json": "application/json"}
METADATA = "ro-crate-metadata.json"


def write_crate(folder: Path, snakefile: Path, origin: Mapping[str, Any]) -> None:
    """Describe the tables of a run as an RO-Crate: which workflow made them, from which recordings, and when.

    The Snakefile and its rules are copied beside the tables, so that the folder can be archived as it is.

    Parameters
    ----------
    folder : folder of the collected tables; ``ro-crate-metadata.json``, the Snakefile and its rules are
        written there.
    snakefile : main file of the workflow, beside the folder ``workflow/rules``.
    origin : what ``provenance.json`` holds, see `curbd.tables.collect.provenance`.

    Raises
    ------
    UserError : a file cannot be written, see `curbd.storage.whole_files.whole_file`.

    References
    ----------
    Soiland-Reyes et al., Data Science 2022 (RO-Crate). Leo et al., PLoS ONE 2024 (Workflow Run RO-Crate).
    """
    for path in [snakefile, *sorted((snakefile.parent / "workflow" / "rules").glob("*.smk"))]:
        with whole_file(folder / path.relative_to(snakefile.parent)) as temporary:
            shutil.copyfile(path, temporary)
    described = _crate(folder, snakefile.name, origin).metadata.generate()
    with whole_file(folder / METADATA) as temporary:
        temporary.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


def _crate(folder: Path, snakefile: str, origin: Mapping[str, Any]) -> ROCrate:
    """Describe the folder: the workflow, the files that it wrote, the recordings that it read, and the run."""
    made = datetime.fromtimestamp((folder / "provenance.json").stat().st_mtime, UTC)
    crate = ROCrate(version=FORMAT_VERSION)
    crate.name = f"Currents between regions of {', '.join(origin['recordings'])}"
    crate.description = (
        f"Result tables of curbd-workflow, explained in its results/README.md. {metadata('curbd-workflow')['Summary']}"
    )
    crate.datePublished = made
    crate.license = "not stated"
    crate.root_dataset["conformsTo"] = [_profile(crate, address, name) for address, name in PROFILES.items()]
    workflow = _add_workflow(crate, folder, snakefile, origin)
    tables_of_run = _add_tables(crate, folder)
    recordings = [_recording(crate, name, about) for name, about in origin["recordings"].items()]
    crate.root_dataset["mentions"] = crate.add_action(
        workflow,
        identifier="#run",
        object=recordings if len(recordings) > 1 else recordings[0],
        result=tables_of_run,
        properties={
            "name": "Run of curbd-workflow",
            "description": "Networks fitted to the recordings, their currents by source, verdicts and experiments.",
            "endTime": made.isoformat(timespec="seconds"),
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
    )
    return crate


def _profile(crate: ROCrate, address: str, name: str) -> ContextEntity:
    """A profile that the description follows."""
    version = address.rpartition("/")[2]
    return crate.add(ContextEntity(crate, address, {"@type": "CreativeWork", "name": name, "version": version}))


def _add_workflow(crate: ROCrate, folder: Path, snakefile: str, origin: Mapping[str, Any]) -> ComputationalWorkflow:
    """Add the Snakefile and its rules, and return the Snakefile as the main workflow."""
    package = metadata("curbd-workflow")
    workflow = crate.add_workflow(
        dest_path=snakefile,
        main=True,
        lang="snakemake",
        lang_version=origin["versions"]["snakemake"],
        properties={
            "name": "curbd-workflow",
            "description": package["Summary"],
            "version": package["Version"],
            "license": package["License-Expression"],
            "encodingFormat": "text/plain",
            "conformsTo": {"@id": BIOSCHEMAS},
        },
    )
    if origin["commit"] is not None:
        workflow["softwareVersion"] = origin["commit"]
    for path in sorted((folder / "workflow").rglob("*.smk")):
        crate.add_file(
            dest_path=path.relative_to(folder).as_posix(),
            properties={"name": path.name, "encodingFormat": "text/plain", "description": "Rules of the workflow."},
        )
    return workflow


def _add_tables(crate: ROCrate, folder: Path) -> list[File]:
    """Add the files that the steps of the workflow wrote into the folder, and return them."""
    return [
        crate.add_file(
            dest_path=path.name,
            properties={
                "name": path.name,
                "encodingFormat": ENCODING[path.suffix],
                "description": meaning,
                "contentSize": str(path.stat().st_size),
            },
        )
        for path, meaning in _described_files(folder)
    ]


def _described_files(folder: Path) -> list[tuple[Path, str]]:
    """The files of the folder that a step of the workflow wrote, with what they hold."""
    described = [(folder / table.file, table.meaning) for table in tables.TABLES.values()]
    described.append((folder / "provenance.json", "Versions, config with all defaults, and checksums of recordings."))
    return [(path, meaning) for path, meaning in described if path.is_file()]


def _recording(crate: ROCrate, name: str, about: Mapping[str, Any]) -> ContextEntity:
    """A recording that the run read; its file is no part of the crate."""
    return crate.add(
        ContextEntity(
            crate,
            f"#recording-{name}",
            {
                "@type": "CreativeWork",
                "name": name,
                "alternateName": Path(about["path"]).name,
                "encodingFormat": f"application/x-{about['format']}",
                "sha256": about["sha256"],
            },
        )
    )
