"""Interfaces with existing systems: what is fetched from them or sent by them, how it is read, and how it went."""
