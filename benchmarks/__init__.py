"""How fast penstock is, measured against what people would write by hand, on a real broker."""
