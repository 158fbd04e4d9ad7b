"""What was done, by whom, from where: rows that nobody changes."""
