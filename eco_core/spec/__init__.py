"""Specs, the descriptions of runs, as text and dictionaries: models, files, recipes, merging and overrides."""
