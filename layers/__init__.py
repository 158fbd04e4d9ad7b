"""The domains: one folder each, found by looking."""
