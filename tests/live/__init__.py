"""Live events: a real process, real PostgreSQL, real streams."""
