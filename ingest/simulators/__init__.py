"""Devices that are not there: they speak the real protocols from outside, and misbehave on demand."""
