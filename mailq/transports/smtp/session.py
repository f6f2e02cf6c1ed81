"""One open session carrying letters, pipelined (RFC 2920), with at most one of them past its dot and unanswered.

Body and final dot of a letter leave together with MAIL, RCPT and DATA of the next: RFC 2920 section 3.1 wants DATA to be the
last command of a group and allows message content to be its first. So a letter costs one write, one read and one round trip.
What is certain when a session breaks follows from it: the letter past its dot is in doubt, the one behind it was not accepted.
"""

import asyncio
from typing import cast

from mailq.core.classify import classify
from mailq.core.outcome import Accepted, Doubt, Reply, Stage
from mailq.engine.ports import Letter
from mailq.transports.smtp.connection import Connection
from mailq.transports.smtp.desk import Awaited, Desk
from mailq.transports.smtp.extensions import Extensions
from mailq.transports.smtp.opening import opened, readable
from mailq.transports.smtp.options import SmtpOptions
from mailq.transports.smtp.outbox import Outbox
from mailq.transports.smtp.replies import RawReply
from mailq.transports.smtp.speaker import Speaker

# Members by name: looking one up in its enum costs a fifth of a microsecond (Python 3.11), several times a message.
_MAIL, _RCPT, _DATA, _DOT = Awaited.MAIL, Awaited.RCPT, Awaited.DATA, Awaited.DOT
_AT_DOT = Stage.DOT
_PATHS = (_MAIL, _RCPT)
_CLOSED = "the relay closed the connection"
_OUT_OF_STEP = "the relay's replies are out of step with what it was asked"


class Session:
    """One SMTP session. `carry` is for one letter and all that can be pipelined behind it."""

    def __init__(
        self, connection: Connection, extensions: Extensions, options: SmtpOptions, outbox: Outbox | None = None
    ) -> None:
        self._connection = connection
        self.extensions = extensions
        self._options = options
        self._dot_wait = options.dot_timeout.total_seconds()
        self._speaker = Speaker(connection, extensions, options)
        self._dialogue = self._speaker.dialogue
        self._hands = self._speaker.hands
        self._answered = 0
        self._desk: Desk | None = None
        self._done: asyncio.Future[None] | None = None
        self._goodbye: asyncio.Future[None] | None = None
        connection.listener = self
        connection.outbox = outbox

    @classmethod
    async def open(cls, options: SmtpOptions, outbox: Outbox | None = None) -> "Session":
        """Open a session, whose writes this outbox gathers.

        Raises:
            NoSession: it could not be opened.
        """
        connection, extensions = await opened(options)
        return cls(connection, extensions, options, outbox)

    @property
    def usable(self) -> bool:
        """Whether the session can take a letter: open, nothing unread, not used up."""
        return self._speaker.has_room and self._connection.quiet

    @property
    def of_use(self) -> bool:
        """Whether the session stands, or at least brought an answer about a letter."""
        return self._connection.open or self._answered > 0

    async def carry(self, letter: Letter, desk: Desk) -> None:
        """Carry a letter and those the desk has at hand behind it; return when none is held any more.

        Cancelled, it drops the connection: a letter past its dot is in doubt, others are given back.
        """
        self._desk = desk
        self._done = asyncio.get_running_loop().create_future()
        try:
            self._speaker.begin(letter, desk)
            if self._connection.open:
                self._go_on()
            else:
                self._break(_CLOSED)
            await self._done
        except BaseException:
            self._drop()
            raise
        finally:
            self._desk = self._done = None

    async def quit(self) -> None:
        """End politely, within `quit_timeout`."""
        if not self._connection.open:
            return
        self._goodbye = asyncio.get_running_loop().create_future()
        self._connection.send(b"QUIT\r\n")
        self._connection.expect_within(self._options.quit_timeout.total_seconds())
        try:
            await self._goodbye
        finally:
            self._connection.abort()

    def abandon(self) -> None:
        """End at once, without a word."""
        self._connection.abort()

    # What the connection tells.

    def stepped(self, said: bytes) -> None:
        """A letter was accepted, and the content of the one behind it is asked for."""
        hands, desk = self._hands, self._desk
        letter = hands.past_dot
        if desk is None or letter is None:
            self._end_idle()
            return
        hands.past_dot = None
        self._dialogue.awaited.clear()
        self._answered += 1
        desk.report(letter, Accepted(Reply(_AT_DOT, 250, readable(said))))
        connection = self._connection
        if connection.open:
            if not self._speaker.send_body(desk):
                self._drop()
            elif connection.step is not None:
                connection.expect_within(self._dot_wait)
            else:
                self._go_on()

    def heard(self, replies: list[RawReply], more: bool) -> None:
        """Replies arrived: take each for what is due, then go on."""
        if self._desk is None:
            self._end_idle()
            return
        dialogue = self._dialogue
        dialogue.inbox.extend(replies)
        dialogue.more = more
        while dialogue.inbox and self._connection.open:
            if dialogue.awaited:
                reply, awaited = dialogue.inbox.popleft(), dialogue.awaited.popleft()
                # Half of all replies are a plain yes to MAIL or RCPT, and nothing follows from it.
                if reply.code != 250 or awaited not in _PATHS:
                    self._take(awaited, reply)
            else:
                self._unasked()
        self._go_on()

    def garbled(self, what: str) -> None:
        """What came is no reply; it cannot be known what belongs to what any more."""
        if self._desk is None:
            self._end_idle()
        else:
            self._break(what)

    def expired(self) -> None:
        """A whole reply did not come in time; or nobody needed this session."""
        if self._desk is not None:
            self._break(f"no reply to {self._stage} in time", doubt=Doubt.TIMEOUT)
        elif self._goodbye is None:
            self._connection.send(b"QUIT\r\n")
            self._connection.close()
        else:
            self._end_idle()

    def drained(self) -> None:
        """A block of a large body has left: the next may follow, or the dot."""
        try:
            speaker = self._speaker
            if speaker.leaving is not None and self._connection.parser.midway:
                self._unasked()
            elif speaker.leaving is not None:
                if speaker.send_blocks(speaker.leaving, self._at_desk):
                    self._go_on()
                else:
                    self._drop()
        except Exception as error:
            # asyncio would only log it, and the letter would wait for its deadline.
            self.lost(error)
            raise

    def lost(self, error: Exception | None) -> None:
        """The connection is gone, or an error of ours made asyncio drop it."""
        if self._done is None or self._done.done():
            self._end_idle()
        elif error is None or isinstance(error, OSError):
            self._break(_CLOSED)
        else:
            self._done.set_exception(error)
            self._drop()

    # What a reply means.

    def _take(self, awaited: Awaited, reply: RawReply) -> None:
        if reply.code == 421:
            said = Reply(_stage_of(awaited), reply.code, readable(reply.text))
            self._break(str(said), reply=said)
        elif awaited is _DOT:
            self._dot_answered(reply)
        elif awaited is _MAIL or awaited is _RCPT:
            self._path_answered(awaited, reply)
        elif awaited is _DATA:
            self._data_answered(reply)
        elif awaited is Awaited.RESET and not 200 <= reply.code < 300:
            self._break(_OUT_OF_STEP)

    def _dot_answered(self, reply: RawReply) -> None:
        letter = self._hands.past_dot
        if letter is None or 300 <= reply.code < 400:
            self._break(_OUT_OF_STEP)
        else:
            self._hands.past_dot = None
            self._settle(letter, Reply(Stage.DOT, reply.code, readable(reply.text)))

    def _path_answered(self, awaited: Awaited, reply: RawReply) -> None:
        if 300 <= reply.code < 400:
            self._break(_OUT_OF_STEP)
        elif reply.code >= 400 and self._hands.refusal is None:
            self._hands.refusal = Reply(Stage(awaited.value), reply.code, readable(reply.text))
            if not self._dialogue.pipelining:
                self._dialogue.forget_unsent()
                self._refuse()

    def _data_answered(self, reply: RawReply) -> None:
        if reply.code < 300:
            self._break(_OUT_OF_STEP)
        elif reply.code >= 400:
            # After a refused MAIL or RCPT this says no more than they did (RFC 2920 section 3.1).
            self._hands.refusal = self._hands.refusal or Reply(Stage.DATA, reply.code, readable(reply.text))
            self._refuse()
        elif self._dialogue.inbox or self._dialogue.more:
            self._unasked()
        elif self._hands.refusal is None:
            if not self._speaker.send_body(self._at_desk):
                self._drop()
        elif self._hands.refusal.stage is Stage.RCPT:
            # RFC 2920 section 3.1: no recipient was taken, yet the relay waits for content: end it at once.
            self._dialogue.ask(Awaited.LONE_DOT, b".\r\n")
            self._refuse()
        else:
            self._break(_OUT_OF_STEP)

    def _unasked(self) -> None:
        """The relay said something before it was asked: what it was about is our guess, except in the middle of a body."""
        reply = self._dialogue.inbox.popleft() if self._dialogue.inbox else None
        if reply is None or reply.code < 400:
            self._break("the relay said more than it was asked")
            return
        said = Reply(Stage.BODY, reply.code, readable(reply.text))
        if reply.code != 421:
            self._hands.refusal = self._hands.refusal or said
        self._break(f"{said} (before it was asked)", reply=said if reply.code == 421 else None)

    def _go_on(self) -> None:
        if self._connection.open and not self._speaker.go_on(self._at_desk):
            self._finish()

    # What becomes of letters.

    @property
    def _at_desk(self) -> Desk:
        return cast("Desk", self._desk)

    @property
    def _stage(self) -> Stage:
        return (
            Stage.BODY
            if self._speaker.leaving is not None
            else _stage_of(self._dialogue.awaited[0] if self._dialogue.awaited else _MAIL)
        )

    def _settle(self, letter: Letter, reply: Reply) -> None:
        self._answered += 1
        self._at_desk.report(letter, classify(reply))

    def _refuse(self) -> None:
        letter, reply = self._hands.letter, self._hands.refusal
        self._hands.letter = self._hands.refusal = None
        self._speaker.needs_reset = True
        if letter is not None and reply is not None:
            self._settle(letter, reply)

    def _break(self, reason: str, *, reply: Reply | None = None, doubt: Doubt = Doubt.RELAY_CLOSED) -> None:
        """The relay ended the session, or made it useless: judge what it holds by how far each letter had come.

        `reply` is a 421 and answers the first letter held. A used session that the relay merely closes is worn out, not at
        fault.
        """
        self._connection.abort()
        desk, fresh = self._at_desk, self._answered == 0
        worn_out = not fresh and (reason == _CLOSED or reply is not None)
        said = reply or Reply(self._stage, 421, f"4.4.2 {reason} (mailq)")
        try:
            doubted = self._hands.judge(desk, said, doubt, answers=reply is not None, fresh=fresh)
            if doubted or not worn_out:
                desk.count_fault(reason)
        finally:
            self._drop()

    def _drop(self) -> None:
        """End the session at once, for no fault of the relay: nothing that is not past its dot was accepted."""
        self._connection.abort()
        self._speaker.leaving = None
        try:
            self._hands.let_go(self._at_desk)
        finally:
            self._finish()

    def _finish(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _end_idle(self) -> None:
        self._connection.abort()
        if self._goodbye is not None and not self._goodbye.done():
            self._goodbye.set_result(None)


def _stage_of(awaited: Awaited) -> Stage:
    return awaited.value if isinstance(awaited.value, Stage) else Stage.MAIL
