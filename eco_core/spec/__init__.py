"""What a run says, as text and dictionaries: models, files, recipes, merging and overrides."""
