"""The tables of currents over time."""

from __future__ import annotations

from curbd.tables.column import CONDITION, MODEL, NO_INTERVAL, RECORDING, SEED, SOURCE, TARGET, Column, Table

TABLES: dict[str, Table] = {
    "currents": Table(
        "currents.parquet",
        "Current that each region receives from each source, over time.",
        ("recording", "model", "seed", "target", "source", "sign", "condition", "time_s"),
        (
            RECORDING,
            MODEL,
            SEED,
            TARGET,
            SOURCE,
            Column(
                "sign",
                "text",
                "weights over which the current is summed: all (`net`), positive (`excitatory`) or negative "
                "(`inhibitory`)",
                values=("net", "excitatory", "inhibitory"),
            ),
            CONDITION,
            Column("time_s", "number", "time from t = 0 of the trial, s"),
            Column(
                "mean",
                "number",
                "current, mean over the units of the target and the trials of the condition, in the (dimensionless) "
                "units of the state x",
            ),
            Column(
                "rms",
                "number",
                "root mean square of the current over the units of the target and the trials of the condition, in the "
                "units of the state x",
                low=0,
            ),
            Column(
                "ci_low",
                "number",
                "lower end of the 95 % interval of mean",
                empty=NO_INTERVAL,
            ),
            Column("ci_high", "number", "upper end of the 95 % interval of mean", empty=NO_INTERVAL),
        ),
    ),
    "balance": Table(
        "balance.parquet",
        "Currents that excitatory and inhibitory units send to each region, over time. Rates count above that of a "
        "silent unit. Empty for recordings without cell types, and for models of populations.",
        ("recording", "model", "seed", "target", "source", "condition", "time_s"),
        (
            RECORDING,
            MODEL,
            SEED,
            TARGET,
            Column("source", "text", "region that sends the currents, or `all regions`"),
            CONDITION,
            Column("time_s", "number", "time from t = 0 of the trial, s"),
            *(
                Column(
                    kind,
                    "number",
                    f"current of {words}, mean over the units of the target and the trials of the condition, in the "
                    "(dimensionless) units of the state x",
                )
                for kind, words in (
                    ("excitatory", "excitatory units"),
                    ("inhibitory", "inhibitory units"),
                    ("unknown", "units of unknown cell type"),
                )
            ),
            Column(
                "inhibition_ratio",
                "number",
                "inhibitory current divided by excitatory current, with the sign changed: 1 if both are in balance",
                empty="the excitatory current is not positive",
            ),
        ),
    ),
}
