"""The regression of currents on activity, used by estimators, baselines, nulls and verdicts."""
