"""The results of a run, in memory and on disk, as plain data."""
