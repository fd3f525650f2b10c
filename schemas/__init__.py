"""What a record is: entities, code lists, mapping, validation. Knows nothing above it."""
