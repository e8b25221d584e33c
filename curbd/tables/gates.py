"""The tables about gated units."""

from __future__ import annotations

from curbd.tables.column import RECORDING, Column, Table

TABLES: dict[str, Table] = {
    "gates": Table(
        "gates.csv",
        "Every unit as a gated unit, whose gate slows its state down: the opening of the gate in test trials, and "
        "whether a gate that moves predicts these trials better than one that stands still.",
        ("recording", "unit_id"),
        (
            RECORDING,
            Column("unit_id", "text", "name of the unit"),
            Column("region", "text", "region of the unit"),
            Column("tau_s", "number", "time constant of states and gates, the same for all units, s", low=0),
            Column("opening", "number", "mean opening of the gate", low=0, high=1),
            Column("opening_sd", "number", "standard deviation of the opening over trials and bins", low=0),
            Column(
                "closed_share", "number", "share of the bins in which the gate is less than 0.1 open", low=0, high=1
            ),
            Column(
                "held_out_nats",
                "number",
                "log likelihood of the test trials with a gate that moves, minus that with a constant gate, nats",
            ),
            Column(
                "held_out_nats_se",
                "number",
                "standard error of held_out_nats over test trials, nats",
                empty="there is one test trial",
                low=0,
            ),
            Column(
                "verdict",
                "text",
                "`supported` if held_out_nats is more than 2 and more than twice its standard error. Noise that "
                "depends on the rate can look like a gate",
                values=("supported", "no_evidence"),
            ),
        ),
    ),
    "gate_currents": Table(
        "gate_currents.csv",
        "The gated currents that regions send to the states of the units of every region, and the drives that they "
        "send to the gates of these units, in test trials. Drives have a verdict; currents have none.",
        ("recording", "target", "source"),
        (
            RECORDING,
            Column("target", "text", "region that receives current and drive"),
            Column(
                "source",
                "text",
                "region that sends, `inputs` for all inputs together, `bias` for the constant, or `leak` for the own "
                "state of a unit",
            ),
            Column("current_rms", "number", "size of the gated current, rms over units, trials and bins", low=0),
            Column(
                "current_share",
                "number",
                "variance of the gated current over units and bins, as a share of the sum over all sources",
                low=0,
                high=1,
            ),
            Column(
                "drive_rms",
                "number",
                "size of the drive of the gates, rms over units, trials and bins",
                empty="the source is the leak",
                low=0,
            ),
            Column(
                "drive_share",
                "number",
                "variance of the drive over units and bins, as a share of the sum over all sources",
                empty="the source is the leak",
                low=0,
                high=1,
            ),
            Column(
                "drive_nats",
                "number",
                "loss of log likelihood of the test trials if the source drives no gates, sum over the units of the "
                "target, nats",
                empty="the source is the leak or the bias",
            ),
            Column(
                "drive_nats_se",
                "number",
                "standard error of drive_nats over test trials, nats",
                empty="the source is the leak or the bias, or there is one test trial",
                low=0,
            ),
            Column(
                "drive_p_value",
                "number",
                "p-value of the drive: how often the source drives the gates as well if its activity is exchanged "
                "between trials of the same condition, training trials and test trials apart. A drive that is the same "
                "in all trials of a condition does not count",
                empty="the source is the leak or the bias, or is the same in all trials of every condition",
                low=0,
                high=1,
            ),
            Column(
                "drive_q_value",
                "number",
                "false discovery rate (Benjamini & Hochberg) of drive_p_value over all rows of the recording",
                empty="drive_p_value is empty",
                low=0,
                high=1,
            ),
            Column(
                "drive_verdict",
                "text",
                "`supported` if drive_nats is more than 2 and drive_q_value at most 0.05. A small p-value alone can "
                "come from a dependence on the rate that is no gate",
                empty="the source is the leak or the bias",
                values=("supported", "no_evidence"),
            ),
        ),
    ),
}
