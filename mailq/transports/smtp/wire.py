"""SMTP as a `Wire`: warm sessions to one relay, shared out among the letters of a feed."""

import asyncio
from contextlib import suppress

from mailq.engine.ports import Feed
from mailq.transports.smtp.carrying import Carrying
from mailq.transports.smtp.extensions import Extensions
from mailq.transports.smtp.options import SmtpOptions
from mailq.transports.smtp.outbox import Outbox
from mailq.transports.smtp.session import Session


async def offered(options: SmtpOptions) -> Extensions:
    """Open one session, see what the relay offers, and end it politely: nothing is sent.

    Raises:
        NoSession: with the stage and the relay's own words.
        Misconfigured: the certificate file cannot be read.
    """
    session = await Session.open(options)
    await session.quit()
    return session.extensions


class SmtpWire:
    """A `mailq.engine.ports.Wire` over pipelined SMTP. Use it from one event loop at a time; another loop gets new sessions."""

    def __init__(self, options: SmtpOptions) -> None:
        self.options = options
        # Last in, first out: a trickle of letters keeps one session warm instead of all.
        self._idle: list[Session] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.outbox: Outbox | None = None

    def __repr__(self) -> str:
        return f"SmtpWire({self.relay!r}, sessions={self.sessions})"

    @property
    def relay(self) -> str:
        """The relay's name: `host:port`."""
        return self.options.relay

    @property
    def sessions(self) -> int:
        """How many sessions are open at once, at most."""
        return self.options.sessions

    @property
    def idle_sessions(self) -> int:
        """How many sessions are open and unused, as far as we know."""
        return len(self._idle)

    async def carry(self, feed: Feed) -> None:
        """Carry letters until the feed has no more, or refuses `may_send`.

        Cancelled, it drops all sessions in use: letters past their dot are reported in doubt, others given back.

        Raises:
            RelayFault: no session could be opened, or five faults came in a row without an answer about a message between.
            Misconfigured: the certificate file cannot be read.
        """
        self._enter_loop()
        await Carrying(self, feed).run()

    async def close(self) -> None:
        """End all sessions politely, each within `quit_timeout`."""
        self._enter_loop()
        sessions, self._idle = self._idle, []
        await asyncio.gather(*(session.quit() for session in sessions))

    async def borrow(self) -> Session | None:
        """A warm session that is fit for use, if there is one. What the relay closed meanwhile is dropped without a word."""
        while self._idle:
            session = self._idle.pop()
            if session.usable:
                return session
            session.abandon()
        return None

    async def give(self, session: Session) -> None:
        """Take a session back: keep it, or end it politely if it is used up."""
        if session.usable:
            self._idle.append(session)
        else:
            await session.quit()

    def _enter_loop(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            for session in self._idle:
                # The loop they belong to may be closed already.
                with suppress(RuntimeError):
                    session.abandon()
            self._idle, self._loop, self.outbox = [], loop, Outbox(loop)
