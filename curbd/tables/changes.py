"""The table of changes of weights between conditions or days."""

from __future__ import annotations

from curbd.tables.column import MODEL, RECORDING, SOURCE, TARGET, Column, Table
from curbd.tables.contrasts import LEVEL_A, LEVEL_B

NO_CURRENT = "the current of the pathway cannot be told from 0"
NOT_CHANGED = "the verdict is not `changed`, or there is no current in level_b"
NO_HELD_OUT = "a level has no held-out trials"

TABLES: dict[str, Table] = {
    "changes": Table(
        "changes.csv",
        "Changes of the weights of every pathway between the levels of a trial column, such as days: one row per entry "
        "of `changes` in the config, pathway and pair of levels. docs/changes.md explains what is tested.",
        ("recording", "model", "change", "target", "source", "level_a", "level_b"),
        (
            RECORDING,
            MODEL,
            Column("change", "text", "name of the entry of `changes` in the config"),
            TARGET,
            SOURCE,
            LEVEL_A,
            LEVEL_B,
            Column(
                "verdict",
                "text",
                "`changed`: p_corrected is at most .05, evidence_nats at least 10, the errors of both levels are "
                "alike, and the control finds nothing. `unchanged`: at most 20 % of the current of the pathway, or 1 "
                "% of the current into the target, can have changed. `cannot_tell`: neither; `reason` says why",
                values=("changed", "unchanged", "cannot_tell"),
            ),
            Column("reason", "text", "why the verdict is what it is"),
            Column(
                "evidence_nats",
                "number",
                "log Bayes factor for a change of the weights of the pathway, given that all others may have changed",
            ),
            Column(
                "p_value", "number", "p-value of a change, from permuted or shifted labels of trials", low=0, high=1
            ),
            Column(
                "p_corrected",
                "number",
                "p_value corrected for the number of pathways (step-down procedure of Westfall and Young)",
                low=0,
                high=1,
            ),
            Column(
                "relative_change",
                "number",
                "variance of the current that the change of the weights sends, divided by the sum of the variances of "
                "the current in both levels, all with the activity of both levels. 0: equal weights. 0.2: halved. 1: "
                "nothing in common, for example a new pathway. 2: the opposite sign",
                empty=NO_CURRENT,
                low=0,
                high=2,
            ),
            Column(
                "ci_low", "number", "lower end of the 95 % interval of relative_change", empty=NO_CURRENT, low=0, high=2
            ),
            Column(
                "ci_high",
                "number",
                "upper end of the 95 % interval of relative_change, which contains what the data cannot tell",
                empty=NO_CURRENT,
                low=0,
                high=2,
            ),
            Column(
                "changed_of_total_high",
                "number",
                "upper end of the 95 % interval of the variance of the changed current, as a share of the variance of "
                "the predicted current into the target",
                empty="no current into the target is predicted",
                low=0,
            ),
            Column(
                "gain",
                "number",
                "size of the weights in level_a along the weights in level_b: 1 for equal, 0.5 for halved weights",
                empty=NOT_CHANGED,
            ),
            Column(
                "rescaled_share",
                "number",
                "share of the change that rescales the weights",
                empty=NOT_CHANGED,
                low=0,
                high=1,
            ),
            Column(
                "rotated_share",
                "number",
                "share of the change that goes to the units of the target which the pathway reached in level_b, in "
                "other combinations: within the directions over units with 90 % of the current in level_b",
                empty=NOT_CHANGED,
                low=0,
                high=1,
            ),
            Column(
                "new_direction_share",
                "number",
                "share of the change in directions over the units of the target that the pathway did not reach in "
                "level_b",
                empty=NOT_CHANGED,
                low=0,
                high=1,
            ),
            Column(
                "angle_deg",
                "number",
                "mean principal angle between the directions over units with 90 % of the current in either level, "
                "degrees",
                empty=NOT_CHANGED,
                low=0,
                high=90,
            ),
            Column(
                "statistic",
                "number",
                "statistic behind p_value: 0 on average without a change, with a standard deviation of about 1",
            ),
            Column(
                "control_statistic",
                "number",
                "the same statistic between trials of high and of low activity within the levels, in which no weight "
                "has changed",
            ),
            Column(
                "control_p_corrected",
                "number",
                "corrected p-value of control_statistic; if small, weights seem to depend on activity",
                low=0,
                high=1,
            ),
            *(
                Column(
                    f"error_slowness_{level}",
                    "number",
                    f"variance of the errors of the regression in level_{level} summed over 20 bins, by that of white "
                    "noise, mean over the units of the target. If the levels differ by more than a factor of "
                    "1.25, as with an input that was not recorded or with noise of the measurement, no pathway into "
                    "the target is called `changed`",
                    empty="there is no complete window",
                    low=0,
                )
                for level in ("a", "b")
            ),
            Column(
                "r2_shared",
                "number",
                "R2 of the total current into the target in held-out trials, with the same weights in both levels",
                empty=NO_HELD_OUT,
                high=1,
            ),
            Column(
                "r2_separate",
                "number",
                "the same R2 with weights and penalties of either level alone",
                empty=NO_HELD_OUT,
                high=1,
            ),
            Column(
                "r2_drawn_together",
                "number",
                "the same R2 with weights of either level that are drawn towards those of the other level",
                empty=NO_HELD_OUT,
                high=1,
            ),
            Column("n_trials_a", "integer", "compared training trials of level_a", low=1),
            Column("n_trials_b", "integer", "compared training trials of level_b", low=1),
            Column(
                "label_autocorrelation",
                "number",
                "correlation of the labels of neighbouring trials; near 1 for days, so that a slow drift within days "
                "counts as a change between them",
                empty="the labels do not change",
                low=-1,
                high=1,
            ),
        ),
    ),
}
