"""`sources new`: look at a system, and write the first YAML of it."""
