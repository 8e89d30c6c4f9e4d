"""Runs many specs, each in a process of its own."""
