"""The signalling of GB/T 28181: registration, keepalive, and what a device says of the cameras behind it. Pure.

``messages`` is SIP on the wire (RFC 3261), ``digest`` proves who registers (RFC 2617), ``bodies`` are the MANSCDP
documents inside messages (annex A), ``numbers`` the 20-digit numbers of devices (annex D).
"""
