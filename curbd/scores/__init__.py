"""Scores: how well networks predict held-out activity, compared with simple baselines."""
