"""The tables of low-rank networks: latents and mechanism."""

from __future__ import annotations

from curbd.tables.column import CONDITION, MODEL, RECORDING, SEED, TARGET, Column, Table
from curbd.tables.dynamics import (
    COMPLETE,
    CYCLE_PERIOD,
    HELD_INPUT,
    LINE_ATTRACTOR_SCORE,
    NO_CYCLE,
    NO_POINT,
    POINT,
    POINT_TYPE,
    SPEED,
)

TABLES: dict[str, Table] = {
    "latents": Table(
        "latents.parquet",
        "Latent variables of the low-rank networks over time, in every trial.",
        ("recording", "model", "seed", "condition", "trial", "time_s", "latent"),
        (
            RECORDING,
            MODEL,
            SEED,
            CONDITION,
            Column("trial", "integer", "index of the trial in recording.nc, from 0", low=0),
            Column("time_s", "number", "time from t = 0 of the trial, s"),
            Column(
                "latent",
                "integer",
                "index of the latent, in order of decreasing variance; with `block_rank`, in the order of the pathways",
                low=1,
            ),
            Column(
                "value",
                "number",
                "value of the latent, kappa = n' r with the factor n of J = m n', in the units of the state x",
                empty="past the end of the trial",
            ),
            Column(
                "position",
                "number",
                "position z of the state x along the latent, with x = m z + B v + b, where v are the inputs filtered "
                "with the time constant, B the input weights and b the bias; z follows tau dz/dt = -z + value",
                empty="past the end of the trial",
            ),
        ),
    ),
    "dynamics": Table(
        "dynamics.csv",
        "Fixed points, slow points and limit cycles of the latents at constant inputs, one row per latent. If "
        "only some of the units were recorded, a fit can have slow modes that the true network does not have: read "
        "every row with its line_attractor_score and its warning.",
        ("recording", "model", "seed", "input", "point", "latent"),
        (
            RECORDING,
            MODEL,
            SEED,
            Column(
                "input",
                "text",
                "constant input of the network: `none`, `condition:<name>` (mean input over the trials of the "
                "condition) or `input:<name>` (this input alone, at its root mean square while it is not 0)",
            ),
            POINT,
            POINT_TYPE,
            Column(
                "stability",
                "text",
                "whether deviations shrink in all, some (saddle) or no directions of the latents",
                values=("stable", "saddle", "unstable"),
            ),
            Column("latent", "integer", "index of the latent", low=1),
            Column("position", "number", "position of the point along the latent (for a cycle: mean over one period)"),
            Column(
                "amplitude",
                "number",
                "half the range of the position over one period",
                empty=NO_CYCLE,
                low=0,
            ),
            Column(
                "eigenvalue_real",
                "number",
                "real part of an eigenvalue of n' diag(phi') m, where J = m n' and phi' are the slopes of tanh at the "
                "point, the largest real part first; 1 is neutral. For a "
                "cycle: a Floquet multiplier, the largest first and the multiplier along the orbit (1) last. "
                "Eigenvalues belong to the point or cycle as a whole, not to the latent of the row",
            ),
            Column("eigenvalue_imag", "number", "imaginary part of the eigenvalue or multiplier"),
            Column(
                "time_constant_s",
                "number",
                "time constant with which deviations along the eigenvector decay, s; negative if deviations grow",
                empty="deviations neither decay nor grow",
            ),
            SPEED,
            CYCLE_PERIOD,
            LINE_ATTRACTOR_SCORE,
            Column(
                "non_normality",
                "number",
                "Henrici's departure from normality of J diag(phi'), 0 to 1; near 1, eigenvalues say little about the "
                "dynamics",
                empty=NO_POINT,
                low=0,
                high=1,
            ),
            Column(
                "abscissa",
                "number",
                "largest eigenvalue of the symmetric part of J diag(phi'), an upper bound of the real parts of all "
                "eigenvalues; above 1, deviations can grow for a time",
                empty=NO_POINT,
            ),
            COMPLETE,
            Column(
                "found_in",
                "number",
                "share of the other fits of the model with the same point or cycle: rates that differ by less than "
                "0.3 of the spread of the rates, and for a cycle a period that differs by less than 10 %",
                empty="the model has one fit",
                low=0,
                high=1,
            ),
            Column(
                "moved",
                "number",
                "distance (rms over units) from the rates at the point to the rates at the nearest point of this type "
                "without input",
                empty="there is no point of this type without input",
                low=0,
            ),
            Column("warning", "text", "limits of what a fit can say about attractors"),
        ),
    ),
    "field": Table(
        "field.parquet",
        "Vector field of the latents of the first fit, on a grid over the first two latents.",
        ("recording", "model", "seed", "input", "position_1", "position_2"),
        (
            RECORDING,
            MODEL,
            SEED,
            HELD_INPUT,
            Column("position_1", "number", "position along the first latent"),
            Column(
                "position_2",
                "number",
                "position along the second latent; all other latents are at their median",
                empty="the network has one latent",
            ),
            Column("velocity_1", "number", "tau dz/dt along the first latent"),
            Column("velocity_2", "number", "tau dz/dt along the second latent", empty="the network has one latent"),
        ),
    ),
    "geometry": Table(
        "geometry.csv",
        "Angles between the connectivity vectors and the input vectors of the low-rank networks, and the agreement "
        "between fits.",
        ("recording", "model", "seed", "measure", "of", "with"),
        (
            RECORDING,
            MODEL,
            SEED,
            Column(
                "measure",
                "text",
                "meaning of value. `overlap`: cosine of the angle between two vectors. `latent_share`: share of the "
                "latent in the variance of the recurrent current. `region_share`: share of the region in the variance "
                "of the latent, negative if the region works against the others. `connectivity_r`: cosine between the "
                "J of two fits. `effective_r`: this cosine with each J restricted to the directions that contain 99.9 "
                "% of the variance of the rates, which the data constrain. `current_r2`: R2 with which another fit "
                "predicts the recurrent current of this fit",
                values=(
                    "overlap",
                    "latent_share",
                    "region_share",
                    "connectivity_r",
                    "effective_r",
                    "current_r2",
                ),
            ),
            Column(
                "of", "text", "what is measured: a vector (`m_1`, `n_1`, `input:<name>`), a latent (`latent_1`) or `J`"
            ),
            Column(
                "with",
                "text",
                "what `of` is compared with: another vector, a region, another fit (`seed:1`) or `all` latents",
            ),
            Column("value", "number", "value of the measure", empty="nothing varies", high=1),
        ),
    ),
    "populations": Table(
        "populations.csv",
        "Population of every unit of a low-rank network, by a Gaussian mixture on the loadings of the first fit.",
        ("recording", "model", "unit_id"),
        (
            RECORDING,
            MODEL,
            Column("unit_id", "text", "name of the unit"),
            Column("region", "text", "region of the unit"),
            Column(
                "population",
                "integer",
                "index of the population to which the unit belongs, the largest population first",
                low=1,
            ),
            Column("probability", "number", "probability that the unit belongs to this population", low=0, high=1),
        ),
    ),
    "transmission": Table(
        "transmission.csv",
        "Currents that regions and populations send to a region in each condition, through the same weights.",
        ("recording", "model", "seed", "silenced", "target", "source", "condition"),
        (
            RECORDING,
            MODEL,
            SEED,
            Column("silenced", "text", "region that is silenced in the simulation (first fit only), or `none`"),
            TARGET,
            Column("source", "text", "region or `population:<number>` that sends the current"),
            CONDITION,
            Column(
                "transmitted",
                "number",
                "standard deviation over trials and time of the current that the source sends, rms over the units of "
                "the target, in the units of the state x. The network is simulated freely from the recorded start of "
                "every trial, with the recorded inputs, without noise",
                low=0,
            ),
            Column(
                "ratio",
                "number",
                "transmitted, divided by the smallest value of transmitted over all conditions",
                empty="nothing is transmitted in some condition",
                low=1,
            ),
            Column(
                "gating_index",
                "number",
                "transmitted minus the mean of transmitted over conditions, divided by this mean; -1 means that "
                "nothing is transmitted",
                empty="nothing is transmitted in any condition",
                low=-1,
            ),
            Column(
                "coupling",
                "number",
                "Frobenius norm of the weights J diag(phi') from source to target, with the slope phi' of tanh "
                "averaged over the condition",
                low=0,
            ),
            Column(
                "gain",
                "number",
                "mean of phi', the slope of tanh, over the units of the source and the trials and time of the "
                "condition",
                low=0,
                high=1,
            ),
        ),
    ),
}
