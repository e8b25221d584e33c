"""Everything that a user can set: the sections of the config, their checks, and the plan of a run."""
