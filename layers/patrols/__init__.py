"""Officers on patrol, their tracks and their check-ins at sites."""
