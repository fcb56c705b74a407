"""What people are told, in both languages: that something happened, never what, whose or how much. Pure.

The page that a notice links to says the rest, to whoever is signed in and may see it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

CHANNELS = ("email", "sms", "wechat")
"""Beside the inbox on the site, which has every notice."""

LANGUAGES = ("zh", "en")


@dataclass(frozen=True)
class MessageKind:
    """One kind of notice: its title and its sentence, zh and en; whether it is about the person's own access."""

    title: tuple[str, str]
    text: tuple[str, str]
    is_security: bool = False

    def title_in(self, language: str) -> str:
        """Return the title in a language."""
        return self.title[LANGUAGES.index(language)]

    def text_in(self, language: str) -> str:
        """Return the sentence in a language."""
        return self.text[LANGUAGES.index(language)]


KINDS: Mapping[str, MessageKind] = {
    "request_waiting": MessageKind(
        ("有新的授权请求待处理", "A request waits for your answer"),
        ("有机构向您所代表的企业提出授权请求，请登录查看并在期限前答复。",
         "An institution asks a firm that you act for. Sign in to read and answer it in time."),
    ),
    "consent_first_used": MessageKind(
        ("授权首次被使用", "A consent was used for the first time"),
        ("您所代表的企业的一项授权首次被使用，可登录查看调取记录。",
         "A consent of a firm that you act for was used for the first time. Sign in to see by whom and for what."),
    ),
    "unusual_access": MessageKind(
        ("有异常的调取请求被拒绝", "An unusual request for data was refused"),
        ("有一次针对您所代表企业数据的请求未被放行，未提供任何数据，可登录查看详情。",
         "A request for data of a firm that you act for was refused, and nothing was given. Sign in to see it."),
    ),
    "consent_ending": MessageKind(
        ("授权即将到期或已终止", "A consent ends soon, or has ended"),
        ("您所代表的企业的一项授权即将到期或已终止，可登录查看。",
         "A consent of a firm that you act for ends soon or has ended. Sign in to see which."),
    ),
    "dispute_moved": MessageKind(
        ("异议处理有新进展", "Your objection has moved on"),
        ("您所代表的企业提出的异议有新的处理进展，可登录查看。",
         "There is news of an objection of a firm that you act for. Sign in to read it."),
    ),
    "card_ended": MessageKind(
        ("信用名片已失效", "A credit card has ended"),
        ("您所代表的企业的信用名片已失效，可登录查看原因并重新制作。",
         "The credit card of a firm that you act for has ended. Sign in to see why, and to make a new one."),
    ),
    "offer_arrived": MessageKind(
        ("收到新的融资报价", "An offer has arrived"),
        ("您所代表的企业的融资需求收到新的报价，可登录查看并在有效期内答复。",
         "A financing request of a firm that you act for has an offer. Sign in to read it while it is open."),
    ),
    "new_device": MessageKind(
        ("新设备登录", "Signed in on a new device"),
        ("您的账号在一台新设备上登录。如非本人操作，请立即登录修改密码。",
         "Your account was signed in on a new device. If it was not you, change your password now."),
        is_security=True,
    ),
    "access_changed": MessageKind(
        ("账号安全设置已变更", "The security of your account was changed"),
        ("您的密码、动态码、安全密钥或通知地址已变更。如非本人操作，请立即联系平台。",
         "Your password, codes, a security key or an address of yours was changed. If it was not you, tell us."),
        is_security=True,
    ),
}  # fmt: skip
"""Every kind of notice, in the order of the preferences."""

DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "email": tuple(KINDS),
    "sms": tuple(name for name, kind in KINDS.items() if kind.is_security or name == "request_waiting"),
    "wechat": tuple(KINDS),
}
"""Channel -> the kinds that it gets until the person says otherwise."""

ALWAYS = tuple(name for name, kind in KINDS.items() if kind.is_security)
"""Kinds that go to a verified e-mail address whatever the person prefers: a thief would switch them off first."""


@dataclass(frozen=True)
class LetterKind:
    """A message that carries a link: what it is for, zh and en; `{link}` is where the link stands."""

    title: tuple[str, str]
    text: tuple[str, str]


LETTERS: Mapping[str, LetterKind] = {
    "reset": LetterKind(
        ("重设登录密码", "Set a new password"),
        ("有人申请重设您的登录密码。链接 30 分钟内有效，仅可使用一次：\n{link}\n如非本人操作，请忽略本消息。",
         "Somebody asked to set a new password for your account. The link is good once, for 30 minutes:\n{link}\n"
         "If it was not you, ignore this message: nothing changes."),
    ),
    "verify": LetterKind(
        ("确认接收通知的地址", "Confirm this address"),
        ("请打开链接确认该地址用于接收通知。链接 24 小时内有效，仅可使用一次：\n{link}\n如非本人操作，请忽略本消息。",
         "Open the link to confirm that notices may come to this address. It is good once, for 24 hours:\n{link}\n"
         "If it was not you, ignore this message."),
    ),
    "invite": LetterKind(
        ("邀请您担任企业经办人", "You are invited to act for a firm"),
        ("有企业邀请您作为经办人。链接 3 天内有效，仅可使用一次：\n{link}\n如您不认识邀请人，请忽略本消息。",
         "A firm invites you to act for it. The link is good once, for 3 days:\n{link}\n"
         "If you do not know who invites you, ignore this message."),
    ),
}  # fmt: skip
"""Messages that a person, or somebody on their behalf, just asked for."""

SIGNED = ("—— CreditLink（本消息由系统自动发送，请勿回复；我们不会索要您的密码或动态码）",
          "CreditLink. This message was sent by a machine; we never ask for your password or codes.")  # fmt: skip

_FORMS = {
    "email": re.compile(
        r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?=.{4,189}$)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+"
    ),
    "sms": re.compile(r"(\+86)?1[3-9][0-9]{9}|\+(?!86)[1-9][0-9]{6,14}"),
    "wechat": re.compile(r"[A-Za-z0-9_-]{6,64}"),
}


def is_address(channel: str, address: str) -> bool:
    """Return whether a text has the form of an address of a channel."""
    return channel in _FORMS and _FORMS[channel].fullmatch(address) is not None
