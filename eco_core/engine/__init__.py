"""The one training loop for every method, on Lightning Fabric. It works on stages and sessions, not on compositions."""
