"""The table on how much the fits of one recording agree."""

from __future__ import annotations

from curbd.tables.column import RECORDING, Column, Table

QUANTITIES = {
    "J": "weights, correlation",
    "J_visited": "weights along the directions with 99.9 % of the variance of the rates, correlation",
    "current": "current from `source` to `target`, correlation",
    "currents_between_regions": "all currents between two different regions, correlation about the mean of every unit",
    "inactivation": "effect of silencing `source` on the rates of `target`, correlation",
    "dynamics": "eigenvalues of delay-embedded free runs (dynamical similarity analysis)",
    "cka": "geometry of free runs, linear centred kernel alignment",
    "procrustes": "geometry of free runs, correlation after the best rotation",
}

TABLES: dict[str, Table] = {
    "degeneracy": Table(
        "degeneracy.csv",
        "Agreement of the fits of one recording: between the seeds of a model (model_a = model_b), and between the "
        "first fits of two models. Networks that explain the recording and disagree are a degenerate answer.",
        ("recording", "model_a", "model_b", "quantity", "target", "source"),
        (
            RECORDING,
            Column("model_a", "text", "name of the first model"),
            Column("model_b", "text", "name of the second model; the first again for its seeds"),
            Column(
                "quantity",
                "text",
                "what is compared. " + ". ".join(f"`{name}`: {meaning}" for name, meaning in QUANTITIES.items()),
                values=tuple(QUANTITIES),
            ),
            Column("target", "text", "region that receives the current, or whose rates change; `all` for the network"),
            Column("source", "text", "what sends the current, or is silenced; `all` for the network"),
            Column("agreement", "number", "mean agreement over all pairs of fits, 1 if equal", empty="nothing varies"),
            Column("ci_low", "number", "2.5 % quantile over pairs of fits", empty="there is one pair"),
            Column("ci_high", "number", "97.5 % quantile over pairs of fits", empty="there is one pair"),
            Column(
                "varied",
                "text",
                "what the fits differ in. `data`: bootstrap resamples of the trials. `seed`: resamples, and another "
                "random start. `initialisation`: the random start, or options of the start. "
                "`estimator`. `constraint`: other options",
                values=("seed", "initialisation", "estimator", "data", "constraint"),
            ),
            Column(
                "verdict",
                "text",
                "`degenerate` if the currents between regions agree by less than 0.9, else `agree`",
                empty="the row is about another quantity",
                values=("agree", "degenerate"),
            ),
        ),
    ),
}
