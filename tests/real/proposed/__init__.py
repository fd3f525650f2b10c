"""What `sources new` proposes for three real systems, beside the YAML written by hand."""
