"""JT/T 808 (editions 2011, 2013 and 2019): the protocol of vehicle terminals, as pure functions over bytes.

``frames`` cuts a byte stream, ``messages`` reads headers and writes frames, ``parts`` joins sub-packets, ``bodies``
reads every body, ``from_terminal``, ``from_platform`` and ``positions`` hold the layouts, ``errors`` the refusals.
"""
