"""From a message to what its body says."""

from collections.abc import Callable

from ingest.protocols.jt808 import from_platform, from_terminal
from ingest.protocols.jt808.errors import BodyError
from ingest.protocols.jt808.messages import Message, MessageId
from ingest.protocols.jt808.positions import Position, parse_position

Body = (
    Position
    | from_terminal.Heartbeat
    | from_terminal.Logout
    | from_terminal.TimeRequest
    | from_terminal.GeneralReply
    | from_terminal.Registration
    | from_terminal.Authentication
    | from_terminal.ParametersReply
    | from_terminal.AttributesReply
    | from_terminal.LocationReply
    | from_terminal.Batch
    | from_platform.Query
    | from_platform.ResendParts
    | from_platform.RegistrationReply
    | from_platform.SetParameters
    | from_platform.QueryParameters
    | from_platform.ServerTime
)


def parse(message: Message) -> Body:
    """What the body of a whole message says.

    Raises BodyError: unknown-message (answer it with "not supported"), part (a sub-packet: assemble it first),
    body-short, count, time; nothing else, whatever the bytes.
    """
    header = message.header
    if header.total:
        raise BodyError("part", f"part {header.number} of {header.total}")
    if (simple := _PARSERS.get(header.message_id)) is not None:
        return simple(message.body)
    if (by_edition := _BY_EDITION.get(header.message_id)) is not None:
        return by_edition(message.body, header.is_2019)
    if (empty := _EMPTY.get(header.message_id)) is not None:
        return empty
    raise BodyError("unknown-message", f"message {header.message_id:04x}")


_PARSERS: dict[int, Callable[[bytes], Body]] = {
    MessageId.LOCATION: parse_position,
    MessageId.LOCATION_BATCH: from_terminal.parse_batch,
    MessageId.LOCATION_REPLY: from_terminal.parse_location_reply,
    MessageId.TERMINAL_REPLY: from_terminal.parse_general_reply,
    MessageId.PARAMETERS_REPLY: from_terminal.parse_parameters_reply,
    MessageId.PLATFORM_REPLY: from_terminal.parse_general_reply,
    MessageId.REGISTER_REPLY: from_platform.parse_registration_reply,
    MessageId.SET_PARAMETERS: from_platform.parse_set_parameters,
    MessageId.QUERY_SOME_PARAMETERS: from_platform.parse_query_parameters,
    MessageId.TIME_REPLY: from_platform.parse_time,
    MessageId.TIME_REPLY_2019: from_platform.parse_time,
}
_BY_EDITION: dict[int, Callable[[bytes, bool], Body]] = {
    MessageId.REGISTER: from_terminal.parse_registration,
    MessageId.AUTHENTICATE: from_terminal.parse_authentication,
    MessageId.ATTRIBUTES_REPLY: from_terminal.parse_attributes_reply,
    MessageId.RESEND_PARTS: from_platform.parse_resend_parts,
}
_EMPTY: dict[int, Body] = {
    MessageId.HEARTBEAT: from_terminal.Heartbeat(),
    MessageId.LOGOUT: from_terminal.Logout(),
    MessageId.TIME_REQUEST: from_terminal.TimeRequest(),
    MessageId.TIME_REQUEST_2019: from_terminal.TimeRequest(),
    MessageId.QUERY_PARAMETERS: from_platform.Query(),
    MessageId.QUERY_ATTRIBUTES: from_platform.Query(),
    MessageId.QUERY_LOCATION: from_platform.Query(),
}
