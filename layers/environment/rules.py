"""What monitors measure: the factor codes of HJ 212 and the class limits of the map."""

FACTORS = {
    "tsp": "a34001",
    "pm10": "a34002",
    "pm25": "a34004",
    "noise": "LA",
    "temperature": "a01001",
    "humidity": "a01002",
    "pressure": "a01006",
    "wind_speed": "a01007",
    "wind_direction": "a01008",
}
"""Field of a monitor → factor code of HJ 212-2025 annex B."""

PM10_BREAKS = (50, 120, 250, 350, 420)
"""PM10 in µg/m³ at IAQI 50, 100, 150, 200 and 300 (HJ 633-2026 table 1): the six classes from good to severe."""

MOST_PARTICLES = 20_000
"""µg/m³ above which a value is a fault of the device and not of the air."""
