"""The tables of units and regions."""

from __future__ import annotations

from curbd.tables.column import RECORDING, REGION, Column, Table

TABLES: dict[str, Table] = {
    "units": Table(
        "units.csv",
        "Every unit of every recording: its region, whether it is fitted, and if not, why.",
        ("recording", "unit_id"),
        (
            RECORDING,
            Column("unit_id", "text", "name of the unit, unique in the recording"),
            REGION,
            Column("region_raw", "text", "label of the unit in the file", empty="no label was found"),
            Column(
                "region_source",
                "text",
                "rule that found the label, and where in the file the label comes from",
                empty="no label was found",
            ),
            Column(
                "cell_type",
                "text",
                "cell type in the file, or according to the settings (cell_types)",
                values=("excitatory", "inhibitory", "unknown"),
            ),
            Column(
                "cell_type_source",
                "text",
                "where the cell type comes from: the file, a column, a table with its column `source`, or the region",
                empty="the cell type is unknown",
            ),
            Column("kept", "flag", "whether the unit is part of the fit"),
            Column("reason", "text", "why the unit is not part of the fit", empty="the unit is part of the fit"),
            Column(
                "mean_rate_hz",
                "number",
                "mean rate in Hz over all bins of the training trials in which the unit was observed",
                empty="the activity is not spikes, or the unit was not observed",
            ),
            Column(
                "scale",
                "number",
                "number by which the rates of the unit are divided before the fit, in the units of the rates in "
                "recording.nc",
                empty="the unit is not part of the fit",
                low=0,
            ),
        ),
    ),
    "regions": Table(
        "regions.csv",
        "How much data there is to fit in each region.",
        ("recording", "region", "model"),
        (
            RECORDING,
            Column("region", "text", "region, after merging and renaming of labels"),
            Column("n_units", "integer", "units of the region that are part of the fit", low=1),
            Column(
                "participation_ratio",
                "number",
                "effective number of dimensions of the activity of the region in training trials: the squared sum of "
                "the eigenvalues of the covariance, divided by the sum of their squares",
                low=0,
            ),
            Column("n_trials", "integer", "training trials, or blocks of continuous data", low=1),
            Column("n_samples", "integer", "training bins", low=1),
            Column("samples_per_dimension", "number", "n_samples divided by participation_ratio", low=0),
            Column(
                "n_latents",
                "integer",
                "number of latents of the region in the population network",
                empty="no model is a population network",
                low=1,
                optional=True,
            ),
            *(
                Column(
                    f"n_latents_{limit}",
                    "integer",
                    f"{extreme} number of latents whose score on held-out units is within two standard errors over "
                    "trials of the best score of the region",
                    empty="no model is a population network, or the config gives the number of latents",
                    low=1,
                    optional=True,
                )
                for limit, extreme in (("low", "smallest"), ("high", "largest"))
            ),
            Column(
                "model",
                "text",
                "population network with this number of latents",
                empty="the population networks of the recording agree",
                optional=True,
            ),
        ),
    ),
}
