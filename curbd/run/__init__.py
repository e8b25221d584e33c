"""A run as a whole: the check before it, the start of the workflow, and what came of it."""
