"""The bottom of the services: features, records, the Layer declaration, the registry and the feature index."""
