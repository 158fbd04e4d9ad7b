"""Alarms: rules as rows, one episode for each exceedance, and what people do about it."""
