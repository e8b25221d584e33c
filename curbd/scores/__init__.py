"""How well networks predict held-out activity, beside plain baselines."""
