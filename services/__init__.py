"""Engines: each takes a Layer and gives one output; none names a domain."""
