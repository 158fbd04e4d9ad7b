"""Opening: the list of a layer, the panel of a feature, its records."""
