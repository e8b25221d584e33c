"""Units as gated units: whether gates that move predict held-out trials better than gates that stand still."""
