"""An example of a third-party ECO plugin."""
