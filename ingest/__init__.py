"""What comes in: files, and the protocols of devices."""
