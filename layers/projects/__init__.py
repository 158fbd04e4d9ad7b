"""Construction projects: the main thread that other domains hang on."""
