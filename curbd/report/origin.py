"""What the numbers of the report mean, and where the results come from."""

from __future__ import annotations

import json
from typing import Any

from curbd.report.model_page import EXPERIMENT_TABLES, MECHANISM_TABLES
from curbd.report.reading import RunResults
from curbd.tables import TABLES


def definitions(run: RunResults) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return file and meaning of every number in the report."""
    shown = (
        "fits",
        "region_scores",
        "pathways",
        "nulls",
        *(["constraints"] if len(run.tables["constraints"]) else []),
        "currents",
        *(["pathway_windows"] if len(run.tables["pathway_windows"]) else []),
        *(["contrasts"] if len(run.tables["contrasts"]) else []),
        *(["changes"] if len(run.tables["changes"]) else []),
        "inactivations",
        *EXPERIMENT_TABLES,
        "regions",
        *MECHANISM_TABLES,
    )
    return [
        (
            TABLES[name].file,
            [(c.name, c.meaning) for c in TABLES[name].columns if c.kind == "number" and c.name in run.tables[name]],
        )
        for name in shown
    ]


def provenance(run: RunResults) -> dict[str, Any]:
    """Collect where the results come from, as far as provenance.json says."""
    origin = run.provenance
    versions = origin.get("versions", {})
    return {
        "code": [
            (key, str(origin[key])) for key in ("commit", "python", "results_version") if origin.get(key) is not None
        ],
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
        "recordings": [
            (name, recording["path"], recording["sha256"]) for name, recording in origin.get("recordings", {}).items()
        ],
        "config": json.dumps(origin["config"], indent=2, ensure_ascii=False) if "config" in origin else "",
    }
