"""Enterprises of the construction industry: the parties that other domains name."""
