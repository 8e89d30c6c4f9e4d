"""The composed module, and models written by hand."""
