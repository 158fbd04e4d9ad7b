"""Sewage: treatment plants, outfalls and sewers."""
