"""Ways of cutting a list into pages: one module each, behind one protocol."""
