"""Plans: a spec with its parts looked up and checked, before any tensor exists."""
