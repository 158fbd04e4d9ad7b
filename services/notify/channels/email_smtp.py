"""E-mail by SMTP."""

import smtplib
import socket
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone

from services.notify import outbound
from services.notify.errors import Refused, Retry, Unreachable
from services.notify.keys import is_name, secret
from services.notify.models import Destination

if TYPE_CHECKING:
    from services.notify.models import Delivery


@dataclass(frozen=True)
class Smtp:
    """A mail server: TLS from the start (``tls``), by STARTTLS, or without (``none``, then without a password)."""

    PER_MINUTE: ClassVar[int | None] = None
    SECRETS: ClassVar[tuple[str, ...]] = ("password",)

    host: str
    sender: str
    port: int = 465
    security: str = "tls"
    user: str = ""
    password: str = ""
    sender_name: str = ""

    def __post_init__(self) -> None:
        if self.security not in ("tls", "starttls", "none"):
            raise Refused("the setting security is one of tls, starttls, none")
        if self.security == "none" and (self.user or self.password):
            raise Refused("a password goes over TLS only: set security to tls or starttls")
        if bool(self.user) != bool(self.password) or (self.password and not is_name(self.password)):
            raise Refused("user and password go together; password is the name of a secret, such as SMTP_PASSWORD")
        _address(self.sender, self.sender_name)
        outbound.listed(self.host, self.port)

    def send(self, delivery: "Delivery") -> str:
        """Hand the mail over; the receipt is its Message-ID, the same on every try, so that a repeat can be known."""
        mail = self.written(delivery)
        password = secret(delivery.channel, self.password) if self.password else ""
        destination = outbound.listed(self.host, self.port)
        try:
            with _Connection(destination, self.security) as server:
                if self.security == "starttls":
                    server.starttls(context=outbound.trust(destination))
                if password:
                    server.login(self.user, password)
                server.send_message(mail, self.sender, [delivery.address])
        except smtplib.SMTPAuthenticationError:
            raise Unreachable(f"{self.host} refused the user name or password") from None
        except smtplib.SMTPNotSupportedError:
            raise Refused(f"{self.host} does not offer what the settings ask for") from None
        except smtplib.SMTPRecipientsRefused as error:
            code = max(answer[0] for answer in error.recipients.values())
            raise (Refused if code >= 500 else Retry)(f"{self.host} refused the address with {code}") from None
        except smtplib.SMTPResponseException as error:
            kind = Refused if error.smtp_code >= 500 else Unreachable
            raise kind(f"{self.host} answered {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise Unreachable(f"{self.host} broke off: {type(error).__name__}") from None
        return str(mail["Message-ID"])

    def written(self, delivery: "Delivery") -> EmailMessage:
        """The mail. The policy refuses a header with a line break, so that no text can add a header or a recipient."""
        mail = EmailMessage(SMTP_POLICY)
        try:
            mail["From"] = _address(self.sender, self.sender_name)
            mail["To"] = _address(delivery.address)
            mail["Subject"] = delivery.subject
            mail["Date"] = format_datetime(timezone.localtime())
            mail["Message-ID"] = f"<{delivery.pk}@{self.sender.rpartition('@')[2]}>"
            mail["Auto-Submitted"] = "auto-generated"
        except ValueError:
            raise Refused("the sender, the address or the subject cannot stand in a mail") from None
        mail.set_content(delivery.body, cte="base64")
        return mail


class _Connection(smtplib.SMTP):
    """smtplib on a connection that outbound has opened and checked."""

    def __init__(self, destination: Destination, security: str) -> None:
        self.destination, self.security = destination, security
        super().__init__(destination.host, destination.port, timeout=outbound.SECONDS)

    def _get_socket(self, host: str, port: int, timeout: float) -> Any:
        raw: socket.socket = outbound.connect(self.destination)
        if self.security == "tls":
            return outbound.trust(self.destination).wrap_socket(raw, server_hostname=host)
        return raw


def _address(text: str, name: str = "") -> Address:
    """One plain address; raises Refused for anything else, such as two addresses or a line break."""
    try:
        validate_email(text)
        return Address(name, addr_spec=text)
    except (ValidationError, ValueError, IndexError):
        raise Refused("the address is not an e-mail address") from None
