"""What the commands share: the steps of curbd and lrfit, the check before a run, its start, and what came of it."""
