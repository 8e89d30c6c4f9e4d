"""The core's own parts and data sets: a plugin like any other. Nobody imports it."""
