"""The table of constraints on the weights."""

from __future__ import annotations

from curbd.tables.column import MODEL, RECORDING, SEED, Column, Table

OF_ALL_REGIONS = "the row is about one pathway"
NO_SHUFFLES = f"{OF_ALL_REGIONS}, or there are no fits with shuffled cell types"
NO_POSITIONS = f"{OF_ALL_REGIONS}, the penalty does not depend on distance, or there are no shuffles"
NO_DENSITY = "no density is given for weights of the pathway"

TABLES: dict[str, Table] = {
    "constraints": Table(
        "constraints.csv",
        "Constraints on the weights of a model, and whether the data agree with them. Rows of `all regions` compare "
        "the fit with a fit without constraints and with fits with shuffled cell types; all other rows describe the "
        "weights of one pathway. The table is empty without constraints.",
        ("recording", "model", "seed", "target", "source"),
        (
            RECORDING,
            MODEL,
            SEED,
            Column("target", "text", "region that receives the weights, or `all regions`"),
            Column("source", "text", "region that sends the weights, or `all regions`"),
            Column(
                "verdict",
                "text",
                "whether the held-out data agree with the constraints: `supported`: no loss, and shuffled cell types "
                "predict worse. `no_evidence`: shuffled cell types predict as well. `contradicted`: the constraints "
                "lower the held-out R2 by more than 3 %. `untested`: there are no shuffles or no held-out data",
                empty=OF_ALL_REGIONS,
                values=("supported", "no_evidence", "contradicted", "untested"),
            ),
            Column("reason", "text", "why the verdict is what it is", empty=OF_ALL_REGIONS),
            Column("n_excitatory", "integer", "sending units whose weights are not negative", low=0),
            Column("n_inhibitory", "integer", "sending units whose weights are not positive", low=0),
            Column("n_unknown", "integer", "sending units whose weights are free", low=0),
            Column(
                "wrong_sign_share",
                "number",
                "share of the absolute weights of labelled units that have the other sign in the fit without "
                "constraints",
                empty="no sending unit has a known sign, or the fit without constraints has no weights",
                low=0,
                high=1,
            ),
            Column("n_sign_violations", "integer", "weights whose sign is not that of their unit", low=0),
            Column("density", "number", "share of the weights that are not 0", low=0, high=1),
            Column("prescribed_share", "number", "share of the weights for which a density is given", low=0, high=1),
            Column(
                "prescribed_density",
                "number",
                "density given in the settings, mean over the weights that it is given for",
                empty=NO_DENSITY,
                low=0,
                high=1,
            ),
            Column(
                "realised_density",
                "number",
                "share of these weights that are not 0",
                empty=NO_DENSITY,
                low=0,
                high=1,
            ),
            Column(
                "held_out_r2",
                "number",
                "share of the variance of the total current that the fit predicts one bin ahead on held-out trials, "
                "over all units",
                empty=f"{OF_ALL_REGIONS}, or there are no held-out transitions",
                high=1,
            ),
            Column(
                "unconstrained_r2",
                "number",
                "held_out_r2 of a fit with the same kind of penalty and no constraints",
                empty=f"{OF_ALL_REGIONS}, or there are no held-out transitions",
                high=1,
            ),
            Column(
                "held_out_gain",
                "number",
                "held_out_r2 minus unconstrained_r2; a negative number is the cost of the constraints",
                empty=f"{OF_ALL_REGIONS}, or there are no held-out transitions",
            ),
            Column(
                "held_out_error_growth",
                "number",
                "growth of the squared held-out error by the constraints, as a share of that without constraints: "
                "comparable between recordings that are more and less deterministic",
                empty=f"{OF_ALL_REGIONS}, or there are no held-out transitions",
                optional=True,
            ),
            Column("n_shuffles", "integer", "fits with shuffled cell types", empty=OF_ALL_REGIONS, low=0),
            Column("shuffled_r2", "number", "held_out_r2 with shuffled cell types, mean", empty=NO_SHUFFLES, high=1),
            Column(
                "shuffled_p_value",
                "number",
                "share of the fits, this fit included, that predict at least as well as this fit",
                empty=NO_SHUFFLES,
                low=0,
                high=1,
            ),
            Column(
                "shuffled_positions_r2",
                "number",
                "held_out_r2 with shuffled positions of the units, mean",
                empty=NO_POSITIONS,
                high=1,
                optional=True,
            ),
            Column(
                "shuffled_positions_p_value",
                "number",
                "share of the fits with shuffled positions, this fit included, that predict at least as well as this "
                "fit",
                empty=NO_POSITIONS,
                low=0,
                high=1,
                optional=True,
            ),
            Column(
                "distance_verdict",
                "text",
                "whether the held-out data agree with the distances: `supported`: shuffled positions predict worse. "
                "`no_evidence`: they predict as well. `untested`: there are no held-out data",
                empty=NO_POSITIONS,
                values=("supported", "no_evidence", "untested"),
                optional=True,
            ),
        ),
    ),
}
