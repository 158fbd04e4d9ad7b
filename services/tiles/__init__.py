"""Vector tiles of layers and of the regions, with rights, from a cache that knows the scope and the version."""
