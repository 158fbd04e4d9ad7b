"""Messages to people, with real receivers."""
