"""What comes in from existing systems: fetched or pushed, read in their format, mapped, stored with its position."""
