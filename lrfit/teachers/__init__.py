"""Low-rank networks whose rank, connectivity and mechanism are known."""
