"""How a source is read."""
