"""What the recordings of a run say together: pathways, effects and contrasts over sessions and animals."""
