"""What monitors measure: the class limits of the map and the plausible range."""

PM10_BREAKS = (50, 120, 250, 350, 420)
"""PM10 in µg/m³ at IAQI 50, 100, 150, 200 and 300 (HJ 633-2026 table 1): the six classes from good to severe."""

MOST_PARTICLES = 20_000
"""µg/m³ above which a value is a fault of the device and not of the air."""
