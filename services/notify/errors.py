"""Errors of a channel, named for the reaction they cause. Their texts are stored and shown: never put a secret in."""


class ChannelError(Exception):
    """Base: a message did not go out, and why."""


class Retry(ChannelError):
    """The other side could not take it now: try this one again later."""


class Unreachable(Retry):
    """The other side cannot be reached or takes nothing: try later, and leave the whole channel alone for a while."""


class Refused(ChannelError):
    """The other side or a setting forbids it: trying again would change nothing."""
