"""Results in the forms of other programs: a copy of a session's NWB file, and a description of a run as an RO-Crate."""
