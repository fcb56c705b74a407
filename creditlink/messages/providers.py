"""Who carries a message to an address: a mail server by SMTP, a provider from a package, or in a sandbox a file."""

from __future__ import annotations

import fcntl
import json
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from email.utils import make_msgid
from importlib import metadata
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from creditlink.kit.settings import SettingError, Settings
from creditlink.messages.kinds import CHANNELS

GROUP = "creditlink.message_providers"
"""The entry points of packages: `sms` and `wechat`, each a function of the settings that returns a provider."""

_SECONDS = 15.0


class NotSent(Exception):
    """The message was not taken; the text is for our log and names no address."""


class NeverSent(NotSent):
    """It will not be taken, however often it is tried: the address is none."""


@dataclass(frozen=True)
class OutgoingMessage:
    """What goes to one address. `reference` is the same in every try, so that a provider sees a double."""

    channel: str
    address: str
    title: str
    text: str
    language: str
    reference: str


class MessageProvider(Protocol):
    """Carries messages of one channel."""

    def send(self, message: OutgoingMessage) -> None:
        """Hand a message over; raises `NotSent`, or `NeverSent` where trying again is no use."""


@dataclass(frozen=True)
class FolderProvider:
    """Writes each message as a line of `<channel>.jsonl` in a folder: a sandbox's post box."""

    folder: Path

    def send(self, message: OutgoingMessage) -> None:
        """Add a line, whole, whoever else writes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{message.channel}.jsonl").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(json.dumps(asdict(message), ensure_ascii=False) + "\n")


@dataclass(frozen=True)
class SmtpProvider:
    """Hands e-mail to a mail server: `smtps://` with TLS from the start, `smtp://` with STARTTLS.

    `smtp+plain://` has no TLS at all, and only a server on this machine is spoken to like that.
    """

    url: str
    sender: str

    def send(self, message: OutgoingMessage) -> None:
        """Deliver one e-mail in a connection of its own."""
        mail = EmailMessage()
        try:
            mail["From"], mail["To"], mail["Subject"] = self.sender, message.address, message.title
        except ValueError:  # a line break: nobody writes headers of ours
            raise NeverSent("the address is none") from None
        mail["Message-ID"] = make_msgid(message.reference, domain=self.sender.rpartition("@")[2].strip("> "))
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        try:
            with self._connected() as server:
                server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as refused:
            codes = [code for code, _ in refused.recipients.values()]
            raise (NeverSent if min(codes, default=500) >= 500 else NotSent)(f"recipient refused: {codes}") from None
        except smtplib.SMTPResponseException as answer:
            raise NotSent(f"{type(answer).__name__} {answer.smtp_code}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise NotSent(type(error).__name__) from None

    def _connected(self) -> smtplib.SMTP:
        parts = urlsplit(self.url)
        host, secure = parts.hostname or "", ssl.create_default_context()
        if parts.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=_SECONDS, context=secure)
        else:
            server = smtplib.SMTP(host, parts.port or 587, timeout=_SECONDS)
        try:
            if parts.scheme == "smtp":
                server.starttls(context=secure)
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
        except (smtplib.SMTPException, OSError):
            server.close()
            raise
        return server


@dataclass(frozen=True)
class MessageProviders:
    """The provider of each channel; a channel without one is not offered."""

    by_channel: Mapping[str, MessageProvider]


def load_providers(settings: Settings) -> MessageProviders:
    """Return who carries what here: in a sandbox a folder of `var`, unless something else is set up.

    Raises
    ------
    SettingError
        `mail_url` is no address of a mail server, or two packages carry the same channel.
    """
    found: dict[str, MessageProvider] = {}
    if not settings.is_production:
        found = {channel: FolderProvider(settings.var_dir / "outbox") for channel in CHANNELS}
    from_packages: set[str] = set()
    for point in metadata.entry_points(group=GROUP):
        if point.name not in CHANNELS or point.name in from_packages:
            raise SettingError(f"entry point {point.name!r} of {GROUP}: not one provider for each of {CHANNELS}")
        from_packages.add(point.name)
        found[point.name] = point.load()(settings)
    if settings.mail_url:
        _check_mail(settings)
        found["email"] = SmtpProvider(settings.mail_url, str(settings.mail_from))
    return MessageProviders(found)


def _check_mail(settings: Settings) -> None:
    try:
        parts = urlsplit(str(settings.mail_url))
        is_address = parts.scheme in ("smtp", "smtps", "smtp+plain") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise SettingError("setting mail_url must be smtp(s)://[user:password@]host[:port]")
    if parts.scheme == "smtp+plain" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise SettingError("setting mail_url: without TLS only a mail server on this machine is spoken to")
    sender = settings.mail_from or ""
    if sender.count("@") != 1 or not sender.isprintable() or not sender.isascii() or " " in sender:
        raise SettingError("setting mail_from must be the address that messages come from")
