"""Running the platform: long work as jobs with progress and a result."""
