"""Base maps: boundaries, roads, water, buildings and points of interest that other layers are read against."""
