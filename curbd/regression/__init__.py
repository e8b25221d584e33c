"""The regression of currents on activity, which estimators, baselines, nulls and verdicts share."""
