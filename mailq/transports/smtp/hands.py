"""The letters a session holds, by how far each has come, and what becomes of them when the session ends under them."""

from mailq.core.classify import classify
from mailq.core.outcome import Doubt, Reply, Unknown
from mailq.engine.ports import Letter
from mailq.transports.smtp.desk import Desk


class Hands:
    """At most three letters: one past its dot, one before it, and one that was taken to go behind them.

    Attributes:
        past_dot: its dot has left and is not answered.
        letter: its envelope has left, or its body.
        following: nothing of it has left.
        refusal: what the relay said against `letter`, while other replies about it are due.
    """

    __slots__ = ("following", "letter", "past_dot", "refusal")

    def __init__(self) -> None:
        self.past_dot: Letter | None = None
        self.letter: Letter | None = None
        self.following: Letter | None = None
        self.refusal: Reply | None = None

    def judge(self, desk: Desk, said: Reply, doubt: Doubt, *, answers: bool, fresh: bool) -> bool:
        """Let go of all, because the relay ended the session; whether one of them is in doubt.

        Args:
            said: how it ended.
            answers: `said` is the relay's reply to the first letter held.
            fresh: no letter was answered in this session before.
        """
        past_dot, letter, refusal = self.past_dot, self.letter, self.refusal
        self.past_dot = self.letter = self.refusal = None
        if past_dot is not None and answers:
            desk.broke_off(past_dot, said, fresh=fresh)
        elif past_dot is not None:
            desk.report(past_dot, Unknown(doubt))
        if letter is not None and refusal is not None:
            desk.report(letter, classify(refusal))
        elif letter is not None and past_dot is not None:
            desk.give_back(letter)
        elif letter is not None:
            desk.broke_off(letter, said, fresh=fresh)
        return past_dot is not None and not answers

    def let_go(self, desk: Desk) -> None:
        """Let go of all, because we end the session: what is not past its dot was certainly not accepted."""
        past_dot, letter, following, refusal = self.past_dot, self.letter, self.following, self.refusal
        self.past_dot = self.letter = self.following = self.refusal = None
        if past_dot is not None:
            desk.report(past_dot, Unknown(Doubt.TIMEOUT))
        if letter is not None and refusal is not None:
            desk.report(letter, classify(refusal))
        elif letter is not None:
            desk.give_back(letter)
        if following is not None:
            desk.give_back(following)
