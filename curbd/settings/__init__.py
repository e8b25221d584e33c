"""Everything that a user can set: the sections of the config, their checks, and what a run will do with them."""
