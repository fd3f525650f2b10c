"""One reader a format, behind one protocol (`connectors.files.formats.protocol`)."""
