"""The mechanism of low-rank networks."""

from __future__ import annotations

from curbd.tables.column import CONDITION, MODEL, RECORDING, SEED, TARGET, Column, Table

TABLES: dict[str, Table] = {
    "latents": Table(
        "latents.parquet",
        "Latent variables of the low-rank networks.",
        ("recording", "model", "seed", "condition", "trial", "time_s", "latent"),
        (
            RECORDING,
            MODEL,
            SEED,
            CONDITION,
            Column("trial", "integer", "number of the trial in recording.nc", low=0),
            Column("time_s", "number", "time from the alignment of the trial, s"),
            Column(
                "latent",
                "integer",
                "number of the latent, by decreasing variance; block_rank: pathway by pathway",
                low=1,
            ),
            Column("value", "number", "its value, n'r", empty="past the end of the trial"),
            Column(
                "position",
                "number",
                "where the state stands along the latent: z of x = m z + B v + b, v the inputs as the time constant "
                "lets them through; it follows tau dz/dt = -z + value",
                empty="past the end of the trial",
            ),
        ),
    ),
    "dynamics": Table(
        "dynamics.csv",
        "Fixed points, slow points and limit cycles of the latents at constant inputs, one row a latent. Partial "
        "observation can invent slow modes: read no row without its score and its warning.",
        ("recording", "model", "seed", "input", "point", "latent"),
        (
            RECORDING,
            MODEL,
            SEED,
            Column(
                "input",
                "text",
                "what is held constant: `none`, `condition:<name>` (the mean input of its trials) or `input:<name>` "
                "(that input alone, at its root mean square while it is on)",
            ),
            Column("point", "integer", "number among those of this fit and input", low=1),
            Column("type", "text", "what it is", values=("fixed_point", "slow_point", "limit_cycle")),
            Column(
                "stability",
                "text",
                "whether deviations shrink in all, some (saddle) or no directions of the latents",
                values=("stable", "saddle", "unstable"),
            ),
            Column("latent", "integer", "number of the latent", low=1),
            Column("position", "number", "its value there (of a cycle: the mean over one period)"),
            Column("amplitude", "number", "half its extent over a cycle", empty="not a cycle", low=0),
            Column(
                "eigenvalue_real",
                "number",
                "of n' diag(phi') m, the largest real part first, 1 is neutral; of a cycle: Floquet multiplier, the "
                "largest first and that along the orbit (1) last. They belong to the point, not to this latent",
            ),
            Column("eigenvalue_imag", "number", "its imaginary part"),
            Column(
                "time_constant_s",
                "number",
                "of deviations along that eigenvector, s; negative where they grow",
                empty="neutral",
            ),
            Column("speed", "number", "|tau dz/dt|, 0 but for slow points", empty="a cycle", low=0),
            Column("period_s", "number", "period, s", empty="not a cycle", low=0),
            Column(
                "line_attractor_score",
                "number",
                "log2 of the slowest over the second slowest time constant: 1 is twice as slow",
                empty="a cycle",
            ),
            Column(
                "non_normality",
                "number",
                "Henrici's departure from normality of J diag(phi'), 0 to 1: near 1 the eigenvalues say little",
                empty="a cycle",
                low=0,
                high=1,
            ),
            Column(
                "abscissa",
                "number",
                "largest eigenvalue of the symmetric part of J diag(phi'), a bound of all eigenvalues; above 1, "
                "deviations can grow for a while",
                empty="a cycle",
            ),
            Column("complete", "flag", "whether the indices of the fixed points sum to 1, as those of all of them do"),
            Column(
                "found_in",
                "number",
                "share of the other fits that have the same, to .3 of the spread of the rates (a cycle also to 10 % in "
                "period)",
                empty="one seed only",
                low=0,
                high=1,
            ),
            Column(
                "moved",
                "number",
                "distance of its rates (rms over units) to the nearest one of its type without input",
                empty="none without input",
                low=0,
            ),
            Column("warning", "text", "what goes with every statement on attractors"),
        ),
    ),
    "field": Table(
        "field.parquet",
        "Vector field of the latents of the first fit, on a grid over the first two of them.",
        ("recording", "model", "seed", "input", "position_1", "position_2"),
        (
            RECORDING,
            MODEL,
            SEED,
            Column("input", "text", "what is held constant, as in dynamics.csv"),
            Column("position_1", "number", "position along the first latent"),
            Column("position_2", "number", "along the second; further ones are at their median", empty="rank 1"),
            Column("velocity_1", "number", "tau dz/dt along the first latent"),
            Column("velocity_2", "number", "along the second", empty="rank 1"),
        ),
    ),
    "geometry": Table(
        "geometry.csv",
        "How connectivity and inputs of the low-rank networks lie to one another, and how much of it the fits share.",
        ("recording", "model", "seed", "measure", "of", "with"),
        (
            RECORDING,
            MODEL,
            SEED,
            Column(
                "measure",
                "text",
                "overlap: cosine of two vectors. latent_share: share of the recurrent current's variance. "
                "region_share: share of a region in the variance of a latent, negative where it works against the "
                "others. connectivity_r: cosine of J with that of another fit; effective_r: the same on the directions "
                "that the rates visited (99.9 % of their variance), which the data constrain; current_r2: R2 of this "
                "fit's recurrent current with the other's",
                values=(
                    "overlap",
                    "latent_share",
                    "region_share",
                    "connectivity_r",
                    "effective_r",
                    "current_r2",
                ),
            ),
            Column("of", "text", "a vector (`m_1`, `n_1`, `input:<name>`), a latent (`latent_1`) or `J`"),
            Column("with", "text", "another vector, a region, another fit (`seed:1`) or `all`"),
            Column("value", "number", "the measure", empty="nothing varies", high=1),
        ),
    ),
    "populations": Table(
        "populations.csv",
        "Population of every unit, by a Gaussian mixture on the loadings of the first fit.",
        ("recording", "model", "unit_id"),
        (
            RECORDING,
            MODEL,
            Column("unit_id", "text", "name of the unit"),
            Column("region", "text", "its region"),
            Column("population", "integer", "number of its population, the largest first", low=1),
            Column("probability", "number", "that it belongs to it", low=0, high=1),
        ),
    ),
    "transmission": Table(
        "transmission.csv",
        "What regions and populations pass on in one condition and not in another, at fixed connectivity.",
        ("recording", "model", "seed", "silenced", "target", "source", "condition"),
        (
            RECORDING,
            MODEL,
            SEED,
            Column("silenced", "text", "region that is silenced in the run (first fit only), or `none`"),
            TARGET,
            Column("source", "text", "region or `population:<number>` that sends"),
            CONDITION,
            Column(
                "transmitted",
                "number",
                "standard deviation of its current about its mean over trials and time, rms over the target's units; "
                "the network runs from the recorded start with the recorded inputs, without noise",
                low=0,
            ),
            Column(
                "ratio",
                "number",
                "the same over that of the condition in which the least passes",
                empty="nothing passes in some condition",
                low=1,
            ),
            Column(
                "gating_index",
                "number",
                "deviation of `transmitted` from its mean over conditions, over that mean: -1 is closed",
                empty="nothing passes",
                low=-1,
            ),
            Column("coupling", "number", "Frobenius norm of J diag(phi'), phi' averaged over the condition", low=0),
            Column("gain", "number", "mean of phi' over the source's units and the condition", low=0, high=1),
        ),
    ),
}
