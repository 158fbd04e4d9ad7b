"""Tests of the device protocols: bytes in, values out, no database."""
