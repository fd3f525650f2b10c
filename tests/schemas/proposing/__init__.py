"""What is guessed of a source, and what is not."""
