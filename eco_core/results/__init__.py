"""What a run leaves, in memory and on disk: plain data, no model."""
