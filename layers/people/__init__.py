"""People of the construction industry, with their certificates and training."""
