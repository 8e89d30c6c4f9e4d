"""The one training loop for every method, on Lightning Fabric; it knows stages and sessions, and no composition."""
