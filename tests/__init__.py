"""Tests: contracts over every layer, floors, journeys in a real browser, benchmarks."""
