"""Tests of data interfaces."""
