"""Cameras on sites and at plants."""
