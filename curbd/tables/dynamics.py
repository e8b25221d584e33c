"""The tables on the dynamics of a fit of any family."""

from __future__ import annotations

from curbd.tables.column import MODEL, RECORDING, SEED, Column, Table

HELD_INPUT = Column("input", "text", "constant input of the network, as in dynamics.csv")
NODE = Column(
    "node",
    "text",
    "name of the point or cycle without input, with its stability, its type and a number, as in attractors.csv",
)
WARNING_COLUMN = Column("warning", "text", "limits of what a fit can say about the dynamics")
NO_CYCLE = "the row is not about a cycle"
NO_POINT = "the row is about a cycle"
POINT = Column("point", "integer", "index of the point or cycle within this fit and input", low=1)
POINT_TYPE = Column("type", "text", "kind of the point or cycle", values=("fixed_point", "slow_point", "limit_cycle"))
SPEED = Column("speed", "number", "|tau dz/dt| at the point; 0 except at slow points", empty=NO_POINT, low=0)
CYCLE_PERIOD = Column("period_s", "number", "period of the cycle, s", empty=NO_CYCLE, low=0)
LINE_ATTRACTOR_SCORE = Column(
    "line_attractor_score",
    "number",
    "log2 of the slowest divided by the second slowest time constant; 1 means twice as slow",
    empty=NO_POINT,
)
COMPLETE = Column(
    "complete",
    "flag",
    "whether the Poincare indices of the fixed points that were found sum to 1, as those of all fixed points do",
)

TABLES: dict[str, Table] = {
    "attractors": Table(
        "attractors.csv",
        "Fixed points, slow points and limit cycles of every fit, one row each. If only some of the units were "
        "recorded, a fit can have slow modes that the true network does not have: compare every time constant with "
        "that of a delay line of which as many units were seen.",
        ("recording", "model", "seed", "input", "point"),
        (
            RECORDING,
            MODEL,
            SEED,
            HELD_INPUT,
            POINT,
            NODE,
            POINT_TYPE,
            Column("stability", "text", "whether deviations shrink", values=("stable", "saddle", "unstable")),
            Column("growing_directions", "integer", "number of directions in which deviations grow", low=0),
            Column(
                "time_constant_s",
                "number",
                "time constant of the slowest deviation, s; negative if it grows",
                empty="the deviation neither shrinks nor grows",
            ),
            Column(
                "oscillation_hz", "number", "frequency of the slowest deviation from a point, Hz", empty=NO_POINT, low=0
            ),
            SPEED,
            CYCLE_PERIOD,
            Column(
                "largest_multiplier",
                "number",
                "magnitude of the largest Floquet multiplier across the cycle: what is left of a deviation after one "
                "period",
                empty=NO_CYCLE,
                low=0,
            ),
            LINE_ATTRACTOR_SCORE,
            Column(
                "delay_line_score",
                "number",
                "line-attractor score of the fit to a delay line without any slow mode, of which as many units were "
                "recorded as here (at most 100), one in 20 (Qian et al. 2024)",
            ),
            Column(
                "delay_line_time_constant_s",
                "number",
                "slowest time constant of the fit to this delay line, s: what partial observation alone can make",
                low=0,
            ),
            Column(
                "slower_than_delay_line",
                "flag",
                "whether the slowest deviation is slower than that of the delay line, or grows; if not, partial "
                "observation alone explains it",
                empty=NO_POINT,
            ),
            Column(
                "non_normality",
                "number",
                "Henrici's departure from normality of the effective coupling, 0 to 1; near 1, eigenvalues say little",
                empty=NO_POINT,
                low=0,
                high=1,
            ),
            Column(
                "abscissa",
                "number",
                "largest eigenvalue of the symmetric part of the effective coupling; above 1, deviations can grow for "
                "a time",
                empty=NO_POINT,
            ),
            COMPLETE,
            Column(
                "found_in",
                "number",
                "share of the other fits of the model with the same point or cycle, as in dynamics.csv",
                empty="the model has one fit",
                low=0,
                high=1,
            ),
            WARNING_COLUMN,
        ),
    ),
    "lyapunov": Table(
        "lyapunov.csv",
        "The largest Lyapunov exponents of every fit at a constant input, with the error of a finite simulation: "
        "positive for chaos, 0 along a cycle, negative at rest.",
        ("recording", "model", "seed", "input", "exponent"),
        (
            RECORDING,
            MODEL,
            SEED,
            HELD_INPUT,
            Column("exponent", "integer", "index of the exponent, the largest first", low=1),
            Column("exponent_per_s", "number", "Lyapunov exponent, 1/s"),
            Column("error_per_s", "number", "standard error over pieces and starts of the simulation, 1/s", low=0),
            Column("exponent_per_tau", "number", "Lyapunov exponent times the time constant of the fit"),
            Column(
                "dimension",
                "number",
                "Kaplan-Yorke dimension of the attractor",
                empty="it needs more than ten exponents",
                low=0,
            ),
            WARNING_COLUMN,
        ),
    ),
    "transitions": Table(
        "transitions.csv",
        "Which attractor a fit leaves for which other when a pulse of an input arrives, and where its unstable points "
        "lead. Pulses have the median size and length of those in the recording. attractors.graphml and "
        "attractors.json hold the graph of the first fit.",
        ("recording", "model", "seed", "start", "cause", "end"),
        (
            RECORDING,
            MODEL,
            SEED,
            Column("start", "text", "the attractor or unstable point at which the simulation starts"),
            Column("cause", "text", "`<input>+` or `<input>-`, a pulse of this sign; `autonomous`: no input"),
            Column("end", "text", "the attractor that is reached; `elsewhere` if none of the list is"),
            Column("share", "number", "share of the simulations from this start that end here", low=0, high=1),
            Column("changes", "flag", "whether the end differs from the start"),
            WARNING_COLUMN,
        ),
    ),
    "phase_locking": Table(
        "phase_locking.csv",
        "Whether the phase of the recorded rates on a limit cycle of the fit is locked to a recorded input.",
        ("recording", "model", "seed", "node", "input", "network_cycles", "input_cycles"),
        (
            RECORDING,
            MODEL,
            SEED,
            NODE,
            Column("input", "text", "name of the input"),
            Column("network_cycles", "integer", "cycles of the network in the time of `input_cycles`", low=1),
            Column("input_cycles", "integer", "cycles of the input in the time of `network_cycles`", low=1),
            Column("network_hz", "number", "mean frequency of the recorded rates on the cycle, Hz"),
            Column("input_hz", "number", "mean frequency of the input, Hz"),
            Column("own_hz", "number", "frequency of the cycle of the fit without input, Hz", low=0),
            Column(
                "locking_index",
                "number",
                "|mean exp(i (input_cycles phi_network - network_cycles phi_input))| over trials and time, without the "
                "first quarter of each trial; 1 for perfect locking",
                empty="no bin has both phases",
                low=0,
                high=1,
            ),
            Column(
                "null_high",
                "number",
                "index that 95 % of the pairings with the input of other trials do not exceed",
                empty="the input has the same phase in all trials, or there are fewer than four trials",
                low=0,
                high=1,
            ),
            Column(
                "p_value",
                "number",
                "share of the pairings with an index as large, times the number of ratios (Bonferroni)",
                empty="the input has the same phase in all trials, or there are fewer than four trials",
                low=0,
                high=1,
            ),
            Column(
                "locked",
                "text",
                "`yes`: index of at least 0.8 and p of at most 0.05. `cannot_tell`: the index is as large, but the "
                "input has the same phase in all trials",
                values=("yes", "no", "cannot_tell"),
            ),
            WARNING_COLUMN,
        ),
    ),
    "slow_manifolds": Table(
        "slow_manifolds.csv",
        "Angle between the slowest direction of a region and what the slowest direction of another region sends to it, "
        "at the fixed and slow points without input.",
        ("recording", "model", "seed", "node", "target", "source"),
        (
            RECORDING,
            MODEL,
            SEED,
            NODE,
            Column("target", "text", "region that receives the message"),
            Column("source", "text", "region that sends the message"),
            Column("angle_deg", "number", "angle, degrees: 0 if the message is integrated", low=0, high=90),
            Column(
                "chance_low_deg",
                "number",
                "angle below which 5 % of random messages lie, degrees",
                low=0,
                high=90,
            ),
            Column(
                "target_time_constant_s",
                "number",
                "time constant of the slowest direction within the target, s; negative if it grows",
            ),
            Column(
                "source_time_constant_s",
                "number",
                "time constant of the slowest direction within the source, s; negative if it grows",
            ),
            WARNING_COLUMN,
        ),
    ),
}
