"""Reports that are kept: those that people put together and save, and those that make themselves after each period."""
