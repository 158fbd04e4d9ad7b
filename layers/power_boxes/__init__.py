"""Temporary power of sites: distribution boxes, what devices measure there, and checks of them."""
