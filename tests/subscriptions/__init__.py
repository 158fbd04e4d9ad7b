"""Tests of what other systems subscribe to."""
