"""Makes the letters of a mailing: one per delivery, the same bytes on every attempt."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

from mailq.core.message import (
    Limits,
    Mailbox,
    Renderer,
    RenderFault,
    TemplateFault,
    compile_content,
    date_header,
    message_id,
    read_content,
)
from mailq.core.outcome import Fault, Rejected, Reply, Stage
from mailq.core.verp import Verp
from mailq.engine.ports import Letter
from mailq.store.content import MailingFacts
from mailq.store.deliveries import Work

_KEPT = 8
_REASON_LENGTH = 500


class LetterPress:
    """Keeps the compiled contents of the mailings a process is working on.

    Args:
        secret: the installation's, which makes Message-IDs unguessable.
        domain: right side of every Message-ID; None takes the sender's.
        clock: monotonic seconds, by which rendering is kept within its limits.
        bounce_address: each delivery's envelope sender is made of it; None takes the sender's own address.
    """

    def __init__(
        self,
        secret: str,
        *,
        domain: str | None,
        clock: Callable[[], float],
        limits: Limits | None = None,
        bounce_address: str | None = None,
    ) -> None:
        self._secret = secret
        self._domain = domain
        self._verp = None if bounce_address is None else Verp(bounce_address, secret)
        self._clock = clock
        self._limits = limits
        self._renderers: OrderedDict[int, Renderer | TemplateFault] = OrderedDict()

    def maker(self, facts: MailingFacts, date: datetime) -> Callable[[Work], Letter | Rejected]:
        """What makes the letters of one batch.

        Args:
            date: the batch's first claim, the Date of all its messages.
        """
        renderer = self._renderer(facts)
        stamp = date_header(date)

        def make(work: Work) -> Letter | Rejected:
            if isinstance(renderer, TemplateFault):
                return _unmakeable(renderer)
            try:
                return self._make(renderer, facts, work, stamp)
            except RenderFault as fault:
                return _unmakeable(fault)

        return make

    def message_id(self, mailing_id: int, seq: int, sender: Mailbox) -> str:
        """The Message-ID of a delivery."""
        return message_id(mailing_id, seq, self._secret, self._domain or sender.address.domain)

    def _make(self, renderer: Renderer, facts: MailingFacts, work: Work, date: str) -> Letter:
        mailing_id = facts.mailing_id
        sender = renderer.sender(work.address, work.variables)
        name = self.message_id(mailing_id, work.seq, sender)
        content = renderer.render(work.address, work.variables, message_id=name, date=date)
        international = sender.address.international or not (work.address.isascii() and content.isascii())
        envelope = sender.address.text if self._verp is None else self._verp.sender(mailing_id, work.seq)
        return Letter(work.seq, envelope, work.address, content, international, f"{facts.public_id}.{work.seq}")

    def _renderer(self, facts: MailingFacts) -> Renderer | TemplateFault:
        kept = self._renderers
        if facts.mailing_id not in kept:
            kept[facts.mailing_id] = self._compile(facts)
        kept.move_to_end(facts.mailing_id)
        if len(kept) > _KEPT:
            kept.popitem(last=False)
        return kept[facts.mailing_id]

    def _compile(self, facts: MailingFacts) -> Renderer | TemplateFault:
        # The producer has compiled it before it stored it; what fails here all the same fails recipient by recipient.
        try:
            return compile_content(read_content(facts.content), clock=self._clock, limits=self._limits)
        except TemplateFault as fault:
            return fault


def _unmakeable(fault: RenderFault | TemplateFault) -> Rejected:
    return Rejected(Reply(Stage.RENDER, 0, f"cannot be made: {fault}"[:_REASON_LENGTH]), Fault.CONTENT)
