"""The desk: the PC browser screens of supervisors, offices and enterprises."""
