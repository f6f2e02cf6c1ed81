"""What a session says: envelopes, bodies and dots, each when its turn comes and its letter may go on."""

from mailq.engine.ports import Letter
from mailq.transports.smtp.body import LARGE_BODY_BYTES, LargeBody
from mailq.transports.smtp.connection import Connection
from mailq.transports.smtp.desk import Awaited, Desk
from mailq.transports.smtp.dialogue import Dialogue
from mailq.transports.smtp.envelope import Preparation, Prepared
from mailq.transports.smtp.extensions import Extensions
from mailq.transports.smtp.hands import Hands
from mailq.transports.smtp.options import SmtpOptions

# Members by name: looking one up in its enum costs a fifth of a microsecond (Python 3.11), several times a message.
_DATA, _DOT = Awaited.DATA, Awaited.DOT


class Speaker:
    """The half of a session that takes letters in hand and sends them.

    Attributes:
        dialogue: what is asked and not yet answered.
        hands: the letters held.
        leaving: the large body that is on its way.
        needs_reset: a refused letter may have left the relay in the middle of a transaction.
    """

    __slots__ = (
        "_begun",
        "_body",
        "_connection",
        "_options",
        "_preparation",
        "_waits",
        "dialogue",
        "hands",
        "leaving",
        "needs_reset",
    )

    def __init__(self, connection: Connection, extensions: Extensions, options: SmtpOptions) -> None:
        self._connection = connection
        self._options = options
        self._preparation = Preparation(extensions, dsn=options.dsn)
        self._waits = (
            options.dot_timeout.total_seconds(),
            options.data_timeout.total_seconds(),
            options.command_timeout.total_seconds(),
        )
        self.dialogue = Dialogue(connection, pipelining=extensions.pipelining)
        self.hands = Hands()
        self.leaving: LargeBody | None = None
        self.needs_reset = False
        self._body = b""
        self._begun = 0

    @property
    def has_room(self) -> bool:
        """Whether the session may begin another letter."""
        return self._begun < self._options.messages_per_session

    def begin(self, letter: Letter | None, desk: Desk) -> None:
        """Queue the envelope of this letter, or of the next at hand if it cannot be offered to this relay."""
        self.hands.following = letter
        commands = self._begin_following(desk)
        if commands is not None:
            self._reset_if_needed()
            self.dialogue.ask_envelope(commands)

    def send_body(self, desk: Desk) -> bool:
        """Send the body of the letter in hand, and its dot unless it is large; False if the dot may not leave."""
        body, self._body = self._body, b""
        if len(body) < LARGE_BODY_BYTES:
            return self._send_dot(body, desk)
        self.leaving = LargeBody(self._connection, body, within_s=self._waits[0])
        return self.send_blocks(self.leaving, desk)

    def send_blocks(self, leaving: LargeBody, desk: Desk) -> bool:
        """Send what may leave of a large body, and its dot when all has; False if the dot may not leave."""
        if leaving.go_on():
            self.leaving = None
            # At once, while the relay is known to be silent, and not at the end of the turn.
            may = self._send_dot(b"", desk)
            self._connection.watch_buffer(closely=False)
            return may
        self._connection.expect_within(min(self._options.block_timeout.total_seconds(), leaving.time_left_s))
        return True

    def go_on(self, desk: Desk) -> bool:
        """Send what is queued, take a further letter if none is held, and set the deadline; False if nothing is held any more."""
        dialogue = self.dialogue
        dialogue.send()
        if not dialogue.awaited and self.leaving is None:
            self.begin(desk.next_letter() if self.has_room else None, desk)
            dialogue.send()
        if dialogue.awaited:
            self.expect_reply()
        elif self.leaving is None:
            self._connection.expect_within(self._options.idle_limit.total_seconds())
            return False
        return True

    def expect_reply(self) -> None:
        """Set the deadline of the reply that is due next."""
        due = self.dialogue.awaited[0]
        dot_wait, data_wait, command_wait = self._waits
        self._connection.expect_within(dot_wait if due is _DOT else data_wait if due is _DATA else command_wait)

    def _send_dot(self, body: bytes, desk: Desk) -> bool:
        """Send the dot, the body before it, and behind it the envelope of a letter at hand."""
        hands = self.hands
        letter = hands.letter
        assert letter is not None
        if self.dialogue.pipelining and self._begun < self._options.messages_per_session:
            hands.following = desk.next_letter()
        if not desk.may_dot(letter):
            return False
        hands.past_dot, hands.letter = letter, None
        commands = self._begin_following(desk)
        if commands is not None:
            self._reset_if_needed()
        self.dialogue.end_body(body, commands)
        return True

    def _begin_following(self, desk: Desk) -> bytes | None:
        """Take the letter that was to follow in hand, or the next that can be offered to this relay, and return its commands."""
        hands = self.hands
        while (letter := hands.following) is not None:
            prepared = self._preparation.prepared(letter)
            if isinstance(prepared, Prepared):
                may = desk.may_send(letter)
                hands.following = None
                if not may:
                    desk.give_back(letter)
                    return None
                hands.letter = letter
                commands, self._body = prepared
                self._begun += 1
                return commands
            hands.following = None
            desk.report(letter, prepared)
            hands.following = desk.next_letter()
        return None

    def _reset_if_needed(self) -> None:
        if self.needs_reset:
            self.needs_reset = False
            self.dialogue.ask(Awaited.RESET, b"RSET\r\n")
