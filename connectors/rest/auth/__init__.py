"""Ways of saying who asks: one module each, behind one protocol."""
