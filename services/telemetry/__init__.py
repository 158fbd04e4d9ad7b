"""Devices, what they measure, their latest values and the means of hours, days and months."""
