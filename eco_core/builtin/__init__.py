"""The parts that come with the core: a plugin like any other."""
