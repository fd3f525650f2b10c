"""What a source's columns may be: guessed from their names and a sample, each with its evidence."""
