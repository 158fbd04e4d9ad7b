"""Ready-mixed concrete: plants, mixer trucks and what they deliver."""
