"""What a device says of a machine (RS of HJ 212-2017 clause 6.6.4), and the codes under which it is stored."""

SUFFIX = "-RS"
"""Ends the code of a machine's state: ``SB1-RS``."""
FAULTS = "faults"
"""Factor: how many machines are in alarm."""
STOPPED, RUNNING, CALIBRATING, MAINTAINED, FAILED, FLUSHING = range(6)
HIGHEST = FLUSHING
AT_WORK, IN_SERVICE = (RUNNING, FLUSHING), (CALIBRATING, MAINTAINED)
"""A machine that flushes itself works."""
