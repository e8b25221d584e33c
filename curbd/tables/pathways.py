"""The table of pathways, with the verdict on each."""

from __future__ import annotations

from curbd.tables.column import MODEL, RECORDING, SOURCE, TARGET, Column, Table

NO_NULL = (
    "the source sends no current, every unit of the target is silent in the held-out trials, or the row is about "
    "populations and not about two regions"
)
NO_NULL_CURRENT = (
    "the row is about populations, the source sends no current, or every unit of the target is silent in the held-out "
    "trials"
)
OF_POPULATIONS = "the row is about populations"
NO_VARIANCE = "the row is about populations, or the current of every unit of the target is constant"
NO_SKEWNESS = "the row is about populations, the source is an input or the target, or there are fewer than 8 trials"
NO_CUMULANTS = (
    "the row is about populations, the source is an input or the target, bins are narrower than 0.5 s, there are fewer "
    "than 8 trials, fewer than 5 regions, or more than 16"
)
NO_RESPONSE = (
    "the row is about populations, the source is an input or the target, bins are narrower than 0.5 s, there are fewer "
    "than 8 trials of 32 bins, or more than 16 regions"
)
GRADES = ("resolved", "supported", "cannot_tell", "no_evidence")
"""Grades, in the order in which pathways are ranked."""
NO_RANK_INTERVAL = "there is no rank, or the model has one fit whose estimator gives no interval"

TABLES: dict[str, Table] = {
    "pathways": Table(
        "pathways.csv",
        "One verdict per pathway: does the source drive the target, and can the answer be believed?",
        ("recording", "model", "target", "source"),
        (
            RECORDING,
            MODEL,
            TARGET,
            SOURCE,
            Column(
                "level",
                "text",
                "what the row is about: currents between recorded units (`unit`), or currents between whole "
                "populations, recorded and unrecorded units together (`population`). Currents of populations are in "
                "units of the log rate of the target unit, wherever a column says units of the state x",
                values=("unit", "population"),
            ),
            Column(
                "rms",
                "number",
                "root mean square of the current of the first fit over units, trials and time, in the units of the "
                "state x",
                low=0,
            ),
            Column(
                "share",
                "number",
                "variance of the current about the mean of each unit, divided by the sum of these variances over all "
                "sources of the target",
                low=0,
                high=1,
            ),
            *(
                Column(
                    f"share_{end}",
                    "number",
                    f"{end_name} end of the 95 % interval of the share, from weights drawn from their posterior",
                    empty="the model is no population network, or the source is no region",
                    low=0,
                    high=1,
                    optional=True,
                )
                for end, end_name in (("low", "lower"), ("high", "upper"))
            ),
            Column(
                "predicted_r2",
                "number",
                "R2 with which the current predicts the true current, as expected from the posterior of the weights. "
                "Penalties shrink currents: without them, the current is about 1 / sqrt(predicted_r2) times as large",
                empty="the estimator has no posterior",
                high=1,
            ),
            Column(
                "seed_r",
                "number",
                "correlation of the current between two fits, mean over pairs of fits",
                empty="the model has one fit",
                low=-1,
                high=1,
            ),
            Column(
                "J_seed_r",
                "number",
                "correlation of the weights of the pathway between two fits, mean over pairs of fits",
                empty="the model has one fit, or the pathway has no weights",
                low=-1,
                high=1,
            ),
            Column(
                "inactivation_seed_r",
                "number",
                "correlation between two fits of the effect that silencing the source has on the target (over units, "
                "time and conditions, after the mean over trials of a condition), mean over pairs of fits",
                empty="the model has one fit, there is no effect, or the source is the target",
                low=-1,
                high=1,
            ),
            Column(
                "skewed_effect",
                "number",
                "direct effect of the source on the target, in standard deviations, from the skewness of their mean "
                "activity; independent of the network. It has a direction where effects are faster than the bins, as "
                "in fMRI",
                empty=NO_SKEWNESS,
            ),
            Column(
                "skewed_p_value",
                "number",
                "two-sided p-value of skewed_effect, from a bootstrap over trials",
                empty=NO_SKEWNESS,
                low=0,
                high=1,
            ),
            Column(
                "skewed_effect_low",
                "number",
                "skewed_effect, or the same effect after a filter of the activity that must not change it, whichever "
                "is nearest to 0; 0 if the sign depends on the filter, which noise and regions that were not recorded "
                "do to effects that are not there",
                empty=NO_SKEWNESS,
            ),
            Column(
                "skewed_misfit",
                "number",
                "share of the skewness of the activity that effects between the recorded regions do not explain, the "
                "same for all pathways; near 0, and below 0 by chance, where all that is skewed was recorded",
                empty=NO_SKEWNESS,
            ),
            Column(
                "cumulant_effect",
                "number",
                "direct effect of the source on the target, in standard deviations, from the skewness of their mean "
                "activity, as skewed_effect, beside noise and a cause of several regions that was not recorded",
                empty=NO_CUMULANTS,
            ),
            Column(
                "cumulant_ci_low", "number", "lower end of the 95 % interval of cumulant_effect", empty=NO_CUMULANTS
            ),
            Column(
                "cumulant_ci_high", "number", "upper end of the 95 % interval of cumulant_effect", empty=NO_CUMULANTS
            ),
            Column(
                "response_effect",
                "number",
                "direct effect of the source on the target, in standard deviations, from the cross-spectrum of their "
                "mean activity; independent of the network. It tells delays between regions that are due to a slow "
                "response, as in fMRI, from delays that are due to effects",
                empty=NO_RESPONSE,
            ),
            Column("response_ci_low", "number", "lower end of the 95 % interval of response_effect", empty=NO_RESPONSE),
            Column(
                "response_ci_high", "number", "upper end of the 95 % interval of response_effect", empty=NO_RESPONSE
            ),
            Column(
                "response",
                "text",
                "kind of the response through which regions are observed, the likeliest for the recording: that of "
                "fMRI, the decay of an indicator, or none",
                empty=NO_RESPONSE,
                values=("bold", "indicator", "none"),
            ),
            Column(
                "response_s",
                "number",
                "delay of the BOLD response, or decay time of the indicator, of the target, s",
                empty=f"{NO_RESPONSE}; or response is `none`",
                low=0,
            ),
            Column(
                "null_rms",
                "number",
                "rms of the current if the trials of the source are shuffled and the regression is solved again "
                "(shifted in time if there are too few trials), in the units of the state x",
                empty=NO_NULL_CURRENT,
                low=0,
            ),
            Column(
                "p_value",
                "number",
                "probability of a gain in held-out prediction that is at least as large if the trials of the source "
                "are shuffled. For populations, the probability of a score of the weights at least as large without "
                "the pathway",
                empty=NO_NULL,
                low=0,
                high=1,
            ),
            Column(
                "q_value",
                "number",
                "p_value corrected for the number of pathways of the fit (Benjamini-Hochberg)",
                empty=NO_NULL,
                low=0,
                high=1,
            ),
            Column(
                "robust_bits",
                "number",
                "smallest number of bits, 4 to 8, to which the weights of the pathway can be rounded before the "
                "current changes its sign or, by more than 20 %, its size",
                empty="8 bits are not enough, or there is no current",
                optional=True,
                low=4,
                high=8,
            ),
            Column(
                "robust_noise",
                "number",
                "largest noise on every weight of the pathway, as a share of its size (0.01 to 0.5), with which the "
                "current keeps its sign and, within 20 %, its size; 0 if 0.01 is too much",
                empty="there is no current",
                optional=True,
                low=0,
            ),
            Column(
                "memory_nats",
                "number",
                "log Bayes factor for a dependence of the target on the past of the recorded units in addition to "
                "their present. A large value is a sign of unrecorded units, measurement noise or smoothing",
                empty=OF_POPULATIONS,
                low=0,
            ),
            Column(
                "shared_sd",
                "number",
                "slow fluctuations that the residuals of the units of the target share, in standard deviations above "
                "the largest that independent units show. A large value is a sign of an input that was not recorded",
                empty=OF_POPULATIONS,
            ),
            Column(
                "evidence_nats",
                "number",
                "log likelihood that the pathway gains, in nats",
                empty="the row is not about a pathway between populations",
                low=0,
            ),
            Column(
                "forward_nats",
                "number",
                "log likelihood of the bins of the target in test trials, predicted from all earlier bins, that is "
                "lost if the earlier bins of the recorded units of the source are not known, in nats. A value that is "
                "not clearly above 0 means that the recorded units of the source tell nothing about what the target "
                "does next",
                empty="the row is not about a pathway between populations, or fewer than two trials are test trials",
                optional=True,
            ),
            Column(
                "forward_error",
                "number",
                "standard error of forward_nats over trials, in nats",
                empty="the row is not about a pathway between populations, or fewer than two trials are test trials",
                low=0,
                optional=True,
            ),
            Column(
                "memory_share",
                "number",
                "share of the variance of the current of the target that the past of the recorded units adds to their "
                "present in predictions of every bin from the bins before. Unlike memory_nats, the share does not grow "
                "with the recording",
                empty=NO_VARIANCE,
                low=0,
                high=1,
            ),
            Column(
                "common_share",
                "number",
                "share of the variance of the current of the target that a slow common factor of the residuals of its "
                "units explains, with loadings from other trials. Unlike shared_sd, the share does not grow with the "
                "recording",
                empty=OF_POPULATIONS,
                high=1,
            ),
            Column(
                "unique_share",
                "number",
                "share of the held-out variance of the current of the target that the present and the past of the "
                "source add to the present and the past of all other sources",
                empty=NO_VARIANCE,
                high=1,
            ),
            Column(
                "unique_t",
                "number",
                "unique_share divided by its standard error over five folds of trials",
                empty=NO_VARIANCE,
            ),
            Column(
                "immediate_share",
                "number",
                "share of this variance that the present of an input adds to everything else, the past of the input "
                "included: near 0 if the input reaches the target by way of other units only",
                empty="the source is no recorded input, or the current of the target does not vary",
                high=1,
            ),
            Column(
                "verdict",
                "text",
                "whether the pathway can be believed (resolved_by says on what ground); `unresolved` means that these "
                "data and this model cannot decide",
                values=("resolved", "unresolved"),
            ),
            Column(
                "resolved_by",
                "text",
                "what resolves the pathway: `currents` (its current can be believed), or `skewness` (effects are over "
                "within a bin, and the skewness of the activity shows existence, direction and sign of this one, alone "
                "or together with cumulant_effect; its current cannot be believed)",
                empty="the pathway is unresolved",
                values=("currents", "skewness"),
            ),
            Column("reason", "text", "why the current cannot be believed, or what supports it"),
            Column(
                "grade",
                "text",
                "how good the evidence is: `resolved`; `supported` (there is evidence for the pathway, and nothing "
                "but possible confounds speaks against its current); `cannot_tell`; `no_evidence` (the data could "
                "have shown the pathway and do not)",
                values=GRADES,
            ),
            Column(
                "grade_rank",
                "integer",
                "place of the pathway among all pathways of the model: by grade, then by unique_share (populations: "
                "by evidence_nats); 1 is the best",
                low=1,
            ),
            Column(
                "reason_codes",
                "text",
                "codes of everything that speaks against the current, joined by `;`; docs/methods.md explains them",
                empty="the pathway is resolved",
            ),
            Column(
                "needed",
                "text",
                "what would make the pathway resolvable, with an estimate of the number of trials",
                empty="the pathway is resolved, or nothing suggests that more data would resolve it",
            ),
            Column(
                "rank",
                "integer",
                "rank of the weights from source to target",
                empty="the model is not low-rank, or the source is not a region",
                low=0,
            ),
            Column(
                "rank_low",
                "integer",
                "lowest rank that the data allow: over all fits of the model, and with `block_rank` also over "
                "resamples of the folds; for populations, by a strict test of the weights (p < .01)",
                empty=NO_RANK_INTERVAL,
                low=0,
            ),
            Column(
                "rank_high",
                "integer",
                "highest rank that the data allow: over all fits of the model, and with `block_rank` also over "
                "resamples of the folds; for populations, by a generous test of the weights (p < .5)",
                empty=NO_RANK_INTERVAL,
                low=0,
            ),
            Column(
                "true_r",
                "number",
                "correlation of the current with the true current over units, trials and time",
                empty="the true current is zero or unknown",
                low=-1,
                high=1,
                optional=True,
            ),
            Column(
                "true_ratio",
                "number",
                "rms of the current divided by the rms of the true current",
                empty="the true current is zero or unknown",
                low=0,
                optional=True,
            ),
            Column(
                "true_r2",
                "number",
                "1 - squared error of the current / variance of the true current, every unit about its own mean",
                empty="the true current is zero or unknown",
                high=1,
                optional=True,
            ),
        ),
    ),
}
