"""The composed module, and base classes of models that users write themselves."""
