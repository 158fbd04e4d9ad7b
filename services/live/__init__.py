"""Live events: what changed, told to whoever may see it, as it happens and again after a pause."""
