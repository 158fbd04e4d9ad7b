"""Dust and noise monitors on sites."""
