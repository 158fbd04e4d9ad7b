"""Counting: how many features by what, every number a link to its list."""
