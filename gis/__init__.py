"""Spatial primitives: fields, CRS, regions, tiles, GeoJSON, fences, grids and vector files."""
