"""The table of verdicts in time windows."""

from __future__ import annotations

from curbd.tables.column import MODEL, RECORDING, SEED, TARGET, Column, Table
from curbd.tables.pathways import TABLES as PATHWAYS

WINDOW_COLUMNS = (
    *("recording", "model", "target", "source", "level", "rms", "share", "predicted_r2", "evidence_nats", "p_value"),
    *("q_value", "verdict", "resolved_by", "reason", "grade", "reason_codes"),
)
"""Columns of the table of pathways that the verdicts in time windows have as well."""
_OF_PATHWAYS = {column.name: column for column in PATHWAYS["pathways"].columns}

TABLES: dict[str, Table] = {
    "pathway_windows": Table(
        "pathway_windows.csv",
        "The verdict on every pathway in every time window of `verdict_windows_s` in the config. The bins of a window "
        "are a recording of their own, to which the model is fitted again; the columns mean what they mean in "
        "pathways.csv. docs/population_network.md explains what a window can tell.",
        ("recording", "model", "target", "source", "start_s", "stop_s"),
        (
            RECORDING,
            MODEL,
            SEED,
            TARGET,
            _OF_PATHWAYS["source"],
            Column("start_s", "number", "start of the window in seconds from t = 0 of the trial"),
            Column("stop_s", "number", "end of the window in seconds from t = 0 of the trial"),
            *(_OF_PATHWAYS[name] for name in WINDOW_COLUMNS[4:]),
        ),
    )
}
