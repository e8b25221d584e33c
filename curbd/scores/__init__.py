"""How well networks predict held-out activity, compared with plain baselines."""
