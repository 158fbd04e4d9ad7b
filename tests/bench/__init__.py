"""Speed side by side with other servers on the same rows and the same machine: ``make bench``."""
