"""AUTH (RFC 4954): which mechanism, and what it says. A secret is in what these functions say, and in nothing they raise."""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable

from mailq.core.outcome import Stage
from mailq.transports.smtp.failures import NoSession
from mailq.transports.smtp.options import SmtpOptions
from mailq.transports.smtp.replies import RawReply
from mailq.transports.smtp.security import Mechanism

Ask = Callable[[str], Awaitable[RawReply]]

_MAX_COMMAND_CHARACTERS = 510
"""RFC 5321 4.5.3.1.4, without the line end. RFC 4954 4: what does not fit waits to be asked for."""
_OFFERED_AS = {mechanism: mechanism.value.upper() for mechanism in Mechanism}


async def authenticate(ask: Ask, options: SmtpOptions, offered: frozenset[str]) -> None:
    """Say who we are.

    Args:
        ask: sends one line and returns the reply to it.
        offered: the mechanisms that the relay announced.

    Raises:
        NoSession: no mechanism fits, or the relay refuses.
    """
    mechanism = _chosen(options, offered)
    reply = await _SPOKEN[mechanism](ask, options.username or "", options.password or "")
    # Only the code: a relay that echoes what it was told would put the password into our logs.
    if reply.code != 235:
        raise NoSession(Stage.AUTH, f"{reply.code} the relay does not accept user {options.username!r} with this password")


def _chosen(options: SmtpOptions, offered: frozenset[str]) -> Mechanism:
    wanted = [options.auth] if options.auth is not None else [Mechanism.CRAM_MD5, Mechanism.PLAIN, Mechanism.LOGIN]
    for mechanism in wanted:
        if _OFFERED_AS[mechanism] in offered:
            return mechanism
    raise NoSession(Stage.AUTH, f"the relay does not offer AUTH {' or '.join(_OFFERED_AS[mechanism] for mechanism in wanted)}")


async def _plain(ask: Ask, username: str, password: str) -> RawReply:
    return await _at_once(ask, Mechanism.PLAIN, f"\0{username}\0{password}")


async def _login(ask: Ask, username: str, password: str) -> RawReply:
    for line in ("AUTH LOGIN", _base64(username)):
        reply = await ask(line)
        if reply.code != 334:
            return reply
    return await ask(_base64(password))


async def _cram_md5(ask: Ask, username: str, password: str) -> RawReply:
    reply = await ask("AUTH CRAM-MD5")
    if reply.code != 334:
        return reply
    try:
        challenge = base64.b64decode(reply.text, validate=True)
    except binascii.Error:
        raise NoSession(Stage.AUTH, "the relay's challenge is not base64") from None
    return await ask(_base64(f"{username} {hmac.new(password.encode(), challenge, 'md5').hexdigest()}"))


async def _xoauth2(ask: Ask, username: str, password: str) -> RawReply:
    reply = await _at_once(ask, Mechanism.XOAUTH2, f"user={username}\x01auth=Bearer {password}\x01\x01")
    # A refusal comes as a challenge that explains it; the answer to an empty line is the reply proper.
    return await ask("") if reply.code == 334 else reply


async def _at_once(ask: Ask, mechanism: Mechanism, answer: str) -> RawReply:
    command, answer = f"AUTH {_OFFERED_AS[mechanism]}", _base64(answer)
    if len(command) + 1 + len(answer) <= _MAX_COMMAND_CHARACTERS:
        return await ask(f"{command} {answer}")
    reply = await ask(command)
    return await ask(answer) if reply.code == 334 else reply


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


_SPOKEN: dict[Mechanism, Callable[[Ask, str, str], Awaitable[RawReply]]] = {
    Mechanism.CRAM_MD5: _cram_md5,
    Mechanism.PLAIN: _plain,
    Mechanism.LOGIN: _login,
    Mechanism.XOAUTH2: _xoauth2,
}
