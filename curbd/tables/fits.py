"""The tables of scores: how well the fitted networks reproduce the recordings."""

from __future__ import annotations

from collections.abc import Iterable

from curbd.tables.column import MODEL, RECORDING, SEED, Column, Table

UNIT_SCORES = {
    "one_step_r2": (
        "share of the variance of the total current of the unit that the model predicts one bin ahead, on test trials"
    ),
    "rollout_r2": (
        "share of the variance of the rate of the unit that the model predicts several bins ahead, on test trials"
    ),
    "free_run_r2": (
        "share of the variance of the rate of the unit that the model explains when simulated freely, on test trials"
    ),
    "one_step_own_past_r2": "one_step_r2 of a network that has no pathways between regions",
    "cosmoothing_bits_per_spike": (
        "information about the spikes of the unit that the model gains from the other units, on test trials, in bits "
        "per spike (population networks only)"
    ),
    "forward_bits_per_spike": (
        "information about the spikes of the unit that the model gains from all bins before each bin, on test trials, "
        "in bits per spike (population networks only)"
    ),
    "tau_s": "time constant of the unit, s (models with a time constant for every unit or region only)",
}
"""Columns of ``units.csv`` that the table has once for each model, as ``<name>:<model>``."""

BASELINES = {
    "average": "the average of the training trials of the same condition",
    "persistence": "the last recorded value persists",
    "own_past": "every region is predicted from its own activity and the recorded inputs only, without other regions",
}
NO_FORECAST = "a population network, which is scored in bits per spike"
NO_BITS = "the model is no population network, or no unit fires in these trials"
NO_POPULATION = "the model is no population network"
NO_AVERAGE = "no condition has several trials"
REPEATED_SHARE = (
    "the share of the variance over time that repeats between trials of one condition (split halves). It is a "
    "reference and no upper limit, because a free simulation starts at the recorded state of its own trial, and the "
    "share leaves out differences between the mean rates of conditions"
)
"""What `ceiling_r2` is for recordings without a true network."""

BITS_PER_SPIKE = {
    "": (
        "information about the spikes of a unit beyond its mean rate, in bits per spike: from units that are seen in "
        "the same trial (`cosmoothing`), or from the bins before each bin (`forward`)"
    ),
    "average_": "bits per spike of a baseline: the smoothed average of the training trials of the same condition",
    "own_region_": "bits per spike of the network if only units of the same region are seen",
    "glm_": (
        "bits per spike of a baseline: a Poisson regression on the inputs, the average response and the spikes of all "
        "other units in the same and the previous bin (`cosmoothing`), or of all units in the previous bin (`forward`)"
    ),
}
"""Beginning of a column of the table ``region_scores`` in bits per spike -> its meaning."""


def _baselines(score: str, names: Iterable[str]) -> tuple[Column, ...]:
    """Columns of the table ``fits`` with the baselines of a score."""
    return tuple(
        Column(
            f"{score}_{name}_r2",
            "number",
            f"{score}_r2 of a baseline instead of the network: {BASELINES[name]}",
            empty=NO_AVERAGE
            if name == "average"
            else "the scored data do not vary, or the baseline gives no prediction for this score",
            high=1,
        )
        for name in names
    )


TABLES: dict[str, Table] = {
    "fits": Table(
        "fits.csv",
        "How well each fitted network reproduces the recording, compared with ceilings and baselines.",
        ("recording", "model", "seed", "split"),
        (
            RECORDING,
            MODEL,
            SEED,
            Column("split", "text", "trials that were scored", values=("train", "test")),
            Column("n_units", "integer", "units of the network", low=1),
            Column("n_trials", "integer", "trials (or blocks of continuous data) scored", low=1),
            Column(
                "one_step_r2",
                "number",
                "share of the variance of the total current (tau dx/dt + x, every unit about its own mean) that the "
                "network predicts from the recorded activity one bin earlier",
                empty="nothing varies",
                high=1,
            ),
            Column(
                "rollout_r2",
                "number",
                "share of the variance of the rates that the network explains after a free simulation of `rollout_s` "
                "from a recorded state",
                empty="trials are shorter than rollout_s, or nothing varies",
                high=1,
            ),
            Column("rollout_s", "number", "time by which rollout_r2 predicts ahead, s", empty=NO_FORECAST, low=0),
            Column(
                "free_run_r2",
                "number",
                "share of the variance of the rates (every unit about its own mean) that the network explains when it "
                "is simulated freely from the first complete bin of every trial",
                empty="nothing varies",
                high=1,
            ),
            Column(
                "free_run_variance_explained",
                "number",
                "as free_run_r2, with the variance of the rates about a single mean over all units: the pVar of the "
                "CURBD literature",
                empty="nothing varies",
                high=1,
            ),
            Column(
                "ceiling_r2",
                "number",
                "for a teacher: free_run_r2 of the true network, which no fit is expected to exceed. For a recording: "
                f"{REPEATED_SHARE}",
                empty="the true network is not known, and no condition has several trials",
                high=1,
            ),
            Column(
                "baseline_r2",
                "number",
                "free_run_r2 of a baseline instead of the network: the average of the training trials of the same "
                "condition",
                empty=NO_AVERAGE,
                high=1,
            ),
            *_baselines("one_step", BASELINES),
            *_baselines("rollout", BASELINES),
            *_baselines("free_run", ("persistence", "own_past")),
            *(
                Column(
                    f"{score}_ceiling_r2",
                    "number",
                    f"{score}_r2 of the true network",
                    empty="the true network is not known",
                    high=1,
                )
                for score in ("one_step", "rollout")
            ),
            Column(
                "cosmoothing_bits_per_spike",
                "number",
                "information about the spikes of each unit that a population network gains from four fifths of the "
                "other units (co-smoothing), beyond the mean rate of the unit, in bits per spike, over all units",
                empty=NO_BITS,
            ),
            Column(
                "forward_bits_per_spike",
                "number",
                "information about the spikes of each unit that a population network gains from all bins before each "
                "bin (forward prediction), beyond the mean rate of the unit, in bits per spike, over all units",
                empty=NO_BITS,
                optional=True,
            ),
            Column(
                "curvature",
                "number",
                "how strongly the currents of a population network saturate with its latents; 0 for a linear network, "
                "which is used if held-out trials are more likely under a linear network",
                empty=NO_POPULATION,
                optional=True,
                low=0,
            ),
            Column(
                "curved_gain_nats",
                "number",
                "log likelihood of held-out trials that a curved population network gains over a linear network, in "
                "nats",
                empty=NO_POPULATION,
                optional=True,
            ),
            Column(
                "history_gain_nats",
                "number",
                "log likelihood of held-out trials that a population network gains if the log rate of every unit "
                "contains the own past spikes of the unit, in nats",
                empty="the model is no population network, or no history was tried",
                optional=True,
            ),
            Column(
                "tau_s",
                "number",
                "time constant of the units, s; if units or regions have their own, their geometric mean",
                low=0,
            ),
            *(
                Column(
                    f"{extreme}_tau_s",
                    "number",
                    f"{extreme} time constant of a unit, s",
                    empty="all units have one time constant",
                    low=0,
                    optional=True,
                )
                for extreme in ("shortest", "longest")
            ),
            Column(
                "tau_nats",
                "number",
                "gain in the log likelihood of held-out folds of the training trials by time constants of single units "
                "or regions, in nats",
                empty="all units have one time constant",
                optional=True,
            ),
            Column(
                "indicator_s",
                "number",
                "decay time of the calcium indicator behind the fluorescence to which the network was fitted, as given "
                "or estimated, s; 0 for activity without an indicator",
                empty="the model knows no indicator, or the activity consists of spikes",
                low=0,
                optional=True,
            ),
            Column(
                "nonlinearity",
                "text",
                "function phi from the state of a unit to its rate",
                empty="the model is a network of populations",
                optional=True,
            ),
            Column(
                "nonlinearity_nats",
                "number",
                "log likelihood of the rates of held-out training trials under the chosen nonlinearity, beyond that "
                "under the next best, in nats",
                empty="the nonlinearity was not chosen by the data",
                optional=True,
            ),
            Column(
                "adaptation_tau_s",
                "number",
                "time constant of the adaptation of the units, s",
                empty="no adaptation of units was asked for, or none was found",
                low=0,
                optional=True,
            ),
            Column(
                "adaptation_nats",
                "number",
                "gain in the log likelihood of held-out folds of the training trials by the adaptation of the units, "
                "in nats",
                empty="no adaptation of units was asked for",
                optional=True,
            ),
            Column(
                "process_noise_sd",
                "number",
                "standard deviation of the process noise added to the state x in one bin, rms over units, in the units "
                "of x",
                empty="the estimator does not separate process noise from measurement noise",
                low=0,
            ),
            Column(
                "measurement_noise_sd",
                "number",
                "standard deviation of the measurement noise on the scaled rates, rms over units",
                empty="the estimator does not separate measurement noise from process noise",
                low=0,
            ),
            Column(
                "measurement_noise_share",
                "number",
                "variance of the measurement noise divided by the variance of the observed rates",
                empty="the estimator does not separate measurement noise from process noise",
                low=0,
                high=1,
            ),
            Column(
                "penalty_by",
                "text",
                "how the penalties of the regression were chosen: by the evidence, or by the error of held-out folds; "
                "`sparse_prior`: relu units have the prior of `sparse`. For `sparse` with tanh units, and if samples "
                "are weighted: how the penalties of the regression at the start of the fit were chosen",
                empty="the estimator chooses no penalties",
                values=("evidence", "cross_validation", "sparse_prior"),
            ),
            Column(
                "residual_autocorrelation",
                "number",
                "autocorrelation of the residual of the total current at a lag of one bin, median over units; a value "
                "far from 0 means an unmodelled input, measurement noise or a wrong time constant",
                empty="no two consecutive residuals",
                low=-1,
                high=1,
            ),
            Column(
                "seconds",
                "number",
                "duration of the fit, s; the only column that differs between two identical runs",
                low=0,
            ),
        ),
    ),
    "region_scores": Table(
        "region_scores.csv",
        "The scores of each fitted network for every region, compared with ceilings and baselines. Rows with the "
        "region `all regions` repeat the scores of fits.csv.",
        ("recording", "model", "seed", "split", "region", "score"),
        (
            RECORDING,
            MODEL,
            SEED,
            Column("split", "text", "trials that were scored", values=("train", "test")),
            Column("region", "text", "region whose units are scored, or `all regions`"),
            Column(
                "score",
                "text",
                "what is predicted: the total current one bin ahead, the rates several bins ahead (`rollout`), the "
                "rates of a free run, or, for population networks, the spikes of units that the network does not see "
                "(`cosmoothing`) and the spikes of the next bin (`forward`)",
                values=("one_step", "rollout", "free_run", "cosmoothing", "forward"),
            ),
            Column("n_units", "integer", "units that were scored", low=1),
            Column(
                "r2",
                "number",
                "share of the variance that the network predicts",
                empty="nothing varies, or the score is in bits per spike",
                high=1,
            ),
            Column(
                "ceiling_r2",
                "number",
                "for a teacher: r2 of the true network, which no fit is expected to exceed. For the free run of a "
                f"recording: {REPEATED_SHARE}",
                empty=(
                    "the true network is not known, and the score is not that of a free run or no condition has "
                    "several trials"
                ),
                high=1,
            ),
            *(
                Column(
                    f"{name}_r2",
                    "number",
                    f"r2 of a baseline: {text}",
                    empty="the baseline gives no prediction for this score",
                    high=1,
                )
                for name, text in BASELINES.items()
            ),
            *(
                Column(f"{name}bits_per_spike", "number", text, empty=NO_BITS, optional=True)
                for name, text in BITS_PER_SPIKE.items()
            ),
        ),
    ),
}
