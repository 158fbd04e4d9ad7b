"""Limits and scales of standards: dated rows, found for the moment at which something was measured."""
