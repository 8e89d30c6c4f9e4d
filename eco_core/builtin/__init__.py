"""The core's own parts and data sets, registered like a plugin. No other module of the core imports this package."""
