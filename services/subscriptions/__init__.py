"""What other systems subscribe to: each act of an alarm goes out to them as soon as it is noted."""
