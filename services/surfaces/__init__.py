"""Surfaces: what is measured at points as a picture of an area, and what weighs on it as a grid of risk."""
