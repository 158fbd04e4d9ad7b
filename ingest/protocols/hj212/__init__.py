"""HJ 212 (2005, 2017, 2025), the protocol of environmental monitors: bytes to readings, and replies to bytes.

``Stream(lambda frame: decode(frame, profiles[frame.mn]))`` gives packets, and what it refuses in their place;
``readings(packet, profile)`` gives what they measured, and ``replies`` what to send back.
"""
