"""Why there is no session, in words that hold no secret."""

import ssl
from datetime import timedelta

from mailq.core.outcome import Stage


class NoSession(Exception):
    """A session could not be opened; the text says at which stage and why, and holds no secret."""

    def __init__(self, stage: Stage, reason: str) -> None:
        super().__init__(f"{stage}: {reason}")
        self.stage = stage


class NoHandshake(NoSession):
    """STARTTLS was agreed on, and the handshake failed; the connection is of no use any more."""

    def __init__(self, reason: str) -> None:
        super().__init__(Stage.TLS, reason)


def why(error: Exception) -> str:
    """What an error of the connection says, without its numbers."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the relay's certificate is not trusted: {error.verify_message}"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return str(error) or type(error).__name__


def shown(wait: timedelta) -> str:
    """A wait as people read it."""
    return f"{wait.total_seconds():g} s"
