"""Which units and regions were recorded."""

from __future__ import annotations

from curbd.tables.column import RECORDING, REGION, Column, Table

TABLES: dict[str, Table] = {
    "units": Table(
        "units.csv",
        "Every unit of every recording, kept or not, and why.",
        ("recording", "unit_id"),
        (
            RECORDING,
            Column("unit_id", "text", "name of the unit, unique in the recording"),
            REGION,
            Column("region_raw", "text", "label as it stands in the file", empty="no label was found"),
            Column("region_source", "text", "rule and place that gave the label", empty="no label was found"),
            Column("cell_type", "text", "cell type as labelled", values=("excitatory", "inhibitory", "unknown")),
            Column("kept", "flag", "whether the unit is part of the fit"),
            Column("reason", "text", "why it is not", empty="the unit is kept"),
            Column(
                "mean_rate_hz",
                "number",
                "mean rate over the bins of the training trials in which the unit was observed, Hz",
                empty="the activity is not spikes, or the unit was not observed",
            ),
            Column(
                "scale",
                "number",
                "rates are divided by this before the fit, in the units of the recording",
                empty="the unit is not kept",
                low=0,
            ),
        ),
    ),
    "regions": Table(
        "regions.csv",
        "What there is to fit in each region.",
        ("recording", "region"),
        (
            RECORDING,
            Column("region", "text", "region after merging and renaming"),
            Column("n_units", "integer", "kept units", low=1),
            Column(
                "participation_ratio",
                "number",
                "effective dimension of the region's training activity, (sum of "
                "covariance eigenvalues)^2 / sum of their squares",
                low=0,
            ),
            Column("n_trials", "integer", "training trials or blocks", low=1),
            Column("n_samples", "integer", "training bins", low=1),
            Column("samples_per_dimension", "number", "n_samples over participation_ratio", low=0),
        ),
    ),
}
