"""How well the networks reproduce the recordings."""

from __future__ import annotations

from collections.abc import Iterable

from curbd.tables.column import MODEL, RECORDING, SEED, Column, Table

UNIT_SCORES = {
    "one_step_r2": "share of the variance of the total current of this unit that the model predicts on test trials",
    "rollout_r2": "the same of its rate, some bins ahead",
    "free_run_r2": "the same of its rate, running freely",
    "one_step_own_past_r2": "one_step_r2 of a network without pathways between regions",
}
"""Columns of ``units.csv`` that stand there once for each model, as ``<name>:<model>``."""

BASELINES = {
    "average": "the average of the training trials of the same condition",
    "persistence": "nothing changes",
    "own_past": "every region predicted from itself and the known inputs alone, without other regions",
}
NO_AVERAGE = "no repeated condition"


def _baselines(score: str, names: Iterable[str]) -> tuple[Column, ...]:
    """Columns of ``fits``: the plain baselines of a score."""
    return tuple(
        Column(
            f"{score}_{name}_r2",
            "number",
            f"{score}_r2 of a plain baseline: {BASELINES[name]}",
            empty=NO_AVERAGE if name == "average" else "nothing varies, or there is no such prediction",
            high=1,
        )
        for name in names
    )


TABLES: dict[str, Table] = {
    "fits": Table(
        "fits.csv",
        "How well each network reproduces the recording.",
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
                "share of the variance of the total current (tau dx/dt + x, each unit about its mean) "
                "that the network predicts from the recorded activity one bin earlier",
                empty="nothing varies",
                high=1,
            ),
            Column(
                "rollout_r2",
                "number",
                "share of the variance of the rates explained `rollout_s` ahead, the "
                "network started from the data and running freely",
                empty="trials are shorter than the horizon, or nothing varies",
                high=1,
            ),
            Column("rollout_s", "number", "horizon of rollout_r2, s", low=0),
            Column(
                "free_run_r2",
                "number",
                "share of the variance of the rates (each unit about its mean) explained by the "
                "network running freely from the first complete bin of every trial",
                empty="nothing varies",
                high=1,
            ),
            Column(
                "free_run_variance_explained",
                "number",
                "the same about one grand mean, the pVar of the CURBD literature",
                empty="nothing varies",
                high=1,
            ),
            Column(
                "ceiling_r2",
                "number",
                "what free_run_r2 could reach: for a teacher, the true network's own score; else the share of "
                "variance that repeats between trials of one condition (split halves)",
                empty="no truth and no repeated condition",
                high=1,
            ),
            Column(
                "baseline_r2",
                "number",
                "free_run_r2 of the plain baseline: the average of the training trials of the same condition",
                empty="no repeated condition",
                high=1,
            ),
            *_baselines("one_step", BASELINES),
            *_baselines("rollout", BASELINES),
            *_baselines("free_run", ("persistence", "own_past")),
            *(
                Column(f"{score}_ceiling_r2", "number", f"{score}_r2 of the true network", empty="no truth", high=1)
                for score in ("one_step", "rollout")
            ),
            Column("tau_s", "number", "time constant of the fit, s", low=0),
            Column(
                "process_noise_sd",
                "number",
                "standard deviation of the noise added to x in one bin, rms over units",
                empty="the estimator does not tell it from measurement noise",
                low=0,
            ),
            Column(
                "measurement_noise_sd",
                "number",
                "standard deviation of the noise on the scaled rates as they were observed, rms over units",
                empty="the estimator does not tell it from process noise",
                low=0,
            ),
            Column(
                "measurement_noise_share",
                "number",
                "its variance over that of the observed rates",
                empty="the estimator does not tell it from process noise",
                low=0,
                high=1,
            ),
            Column(
                "penalty_by",
                "text",
                "what chose the penalties of the regression (for `sparse`, and where samples have weights, of the one "
                "that the fit starts from): the evidence, or the error of held-out folds",
                empty="the estimator has no such choice",
                values=("evidence", "cross_validation"),
            ),
            Column(
                "residual_autocorrelation",
                "number",
                "lag-1 autocorrelation of the one-step residual, median over units; far from 0 means "
                "unmodelled input, measurement noise or a wrong time constant",
                empty="no two consecutive residuals",
                low=-1,
                high=1,
            ),
            Column("seconds", "number", "wall time of the fit, s; the one column that differs between two runs", low=0),
        ),
    ),
    "region_scores": Table(
        "region_scores.csv",
        "The scores of each network region by region, beside ceilings and plain baselines; the rows of all regions "
        "hold the numbers of fits.csv.",
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
                "what is predicted: the total current one bin ahead, the rates some bins ahead, or those of a free run",
                values=("one_step", "rollout", "free_run"),
            ),
            Column("n_units", "integer", "units that are scored", low=1),
            Column("r2", "number", "share of the variance that the network predicts", empty="nothing varies", high=1),
            Column(
                "ceiling_r2",
                "number",
                "for a teacher, the true network's own score; else, for the free run, the share of variance that "
                "repeats between trials of one condition (split halves)",
                empty="no truth, and no free run or no repeated condition",
                high=1,
            ),
            *(
                Column(f"{name}_r2", "number", f"plain baseline: {text}", empty="no such prediction", high=1)
                for name, text in BASELINES.items()
            ),
        ),
    ),
}
