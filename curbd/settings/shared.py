"""Settings of the network that several animals share (key `shared` of the config)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from curbd.settings.section import Section


class Shared(Section):
    """One network for several animals: weights that all share, and the deviations of every animal."""

    recordings: Annotated[list[str], Field(min_length=2)] | None = None
    """Names of the recordings, one for each animal. Null: all recordings. Units with the same `unit_id` are the same
    unit; a unit that an animal lacks is inferred from its other units."""
    synapses: str | None = None
    """Path of a TSV with the columns `target` and `source` (unit ids): pairs of units that are connected, for example
    from a connectome. Weights between two units that both occur in the table, but not as a pair, are penalised ten
    times as strongly. Null: all weights alike."""
