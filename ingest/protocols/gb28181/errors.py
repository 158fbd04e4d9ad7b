"""What can be wrong with GB/T 28181 bytes: one exception class per stage, each with a short kind to count by."""


class DecodeError(ValueError):
    """Bytes of a device that are refused; ``kind`` is a short fixed code, the text is for people."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class FrameError(DecodeError):
    """No whole message, and none can be found after it: head-too-long, body-too-long, no-length, length."""


class HeadError(DecodeError):
    """A whole message whose head is not SIP: start-line, header, missing, cseq, uri."""


class DigestError(DecodeError):
    """An Authorization that is no digest, or lacks a part: digest, algorithm."""


class BodyError(DecodeError):
    """A document that is not taken: too-long, encoding, dtd, xml, too-deep, root, command, number."""
