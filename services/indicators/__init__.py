"""Indicators: a formula over the numbers of a feature, held against dated thresholds, shown as a traffic light."""
