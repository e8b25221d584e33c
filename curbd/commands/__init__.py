"""Code behind the commands: the steps of `curbd` and `lrfit`, the check before a run, its start, and its outcome."""
