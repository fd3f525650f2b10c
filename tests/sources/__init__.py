"""The files of sources/vendors: an office of a known vendor is ten lines."""
