"""Greenways: paths for walking and cycling, from plan to use."""
