"""Fences: areas and routes, and the events of what moves into, out of, within and off them."""
