"""Whose fault a reply is, and whether trying again would help: one table, first match wins.

The verdict follows the first digit of the basic code (RFC 5321 section 4.2.1: 4 may be tried again, 5 may not), unless the
row says otherwise. The fault is found by stage, code, the enhanced code's subject and detail (RFC 3463; its class digit is
ignored where it contradicts the basic code) and, where relays say it in no other way, a phrase. A relay's fault is always
deferred: it says nothing about the recipient.
"""

import re
from collections.abc import Container
from dataclasses import dataclass

from mailq.core.outcome import Accepted, Deferred, Fault, Outcome, Rejected, Reply, Stage

_OPENING = frozenset({Stage.CONNECT, Stage.GREETING, Stage.HELLO, Stage.TLS, Stage.AUTH})
_CONTENT = frozenset({Stage.DATA, Stage.BODY, Stage.DOT})
_MAIL = frozenset({Stage.MAIL})
_RCPT = frozenset({Stage.RCPT})
_REFUSAL = range(400, 600)


@dataclass(frozen=True, slots=True)
class Row:
    """One rule. What is left out matches everything.

    Attributes:
        fault: who is to blame.
        stages: where in the dialogue.
        codes: basic codes.
        enhanced: `subject` or `subject.detail` of the enhanced code, such as `2` or `2.2`.
        phrase: a pattern somewhere in the text.
        again: whether to try again, where the basic code's first digit misleads.
    """

    fault: Fault
    stages: Container[Stage] | None = None
    codes: Container[int] | None = None
    enhanced: Container[str] | None = None
    phrase: re.Pattern[str] | None = None
    again: bool | None = None

    def matches(self, reply: Reply, subject: str, status: str) -> bool:
        """Whether this rule is about the reply, whose enhanced code is of this subject and status (both empty if it has none)."""
        return (
            (self.stages is None or reply.stage in self.stages)
            and (self.codes is None or reply.code in self.codes)
            and (self.enhanced is None or subject in self.enhanced or status in self.enhanced)
            and (self.phrase is None or self.phrase.search(reply.text) is not None)
        )


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


TABLE: tuple[Row, ...] = (
    # RFC 5321 4.2.1: neither 2xx nor 3xx refuses anything; where a refusal was expected the dialogue is out of step.
    Row(Fault.RELAY, codes=range(100, 400)),
    # RFC 5321 3.8, 4.2.3: the service is not available and closes the channel, whatever was asked.
    Row(Fault.RELAY, codes={421}),
    # Before MAIL no recipient has been named.
    Row(Fault.RELAY, stages=_OPENING),
    # RFC 4954 6 (530, 534, 535, 538, 454, 432), RFC 3463 and 5248 (x.7.8 to x.7.11), Exchange's 5.7.57: our credentials.
    Row(Fault.RELAY, codes={530, 534, 535, 538, 454, 432}),
    Row(Fault.RELAY, codes=_REFUSAL, enhanced={"7.8", "7.9", "7.10", "7.11", "7.57"}),
    # Postfix, Exim and Exchange refuse to relay for a stranger with 550 or 554 5.7.1; only the words tell it from policy.
    Row(
        Fault.RELAY,
        codes=_REFUSAL,
        phrase=_words(r"relay(ing)?( access)? (is )?(denied|not (permitted|allowed))|unable to relay"),
    ),
    # RFC 3463 x.1.7, x.1.8: the sender's address; Postfix says so at RCPT. At MAIL every x.1 is about the sender.
    Row(Fault.CONTENT, codes=_REFUSAL, enhanced={"1.7", "1.8"}),
    Row(Fault.CONTENT, stages=_MAIL, codes=_REFUSAL, enhanced={"1"}),
    # RFC 3463 x.1.2 bad destination system, RFC 7505 x.1.10 null MX, RFC 7504 556: the domain takes no mail.
    Row(Fault.DOMAIN, codes=_REFUSAL, enhanced={"1.2", "1.10"}),
    Row(Fault.DOMAIN, codes={556}),
    # RFC 3463 x.1: the recipient's address.
    Row(Fault.RECIPIENT, codes=_REFUSAL, enhanced={"1"}),
    # RFC 3463 x.2.2: the mailbox is full, which passes, so that even 552 5.2.2 is tried again.
    Row(Fault.RECIPIENT, codes=_REFUSAL, enhanced={"2.2"}, again=True),
    # RFC 3463 x.2: the mailbox.
    Row(Fault.RECIPIENT, codes=_REFUSAL, enhanced={"2"}),
    # RFC 3463 x.3.4, RFC 1870: the message is too big for the relay.
    Row(Fault.CONTENT, codes=_REFUSAL, enhanced={"3.4"}),
    # RFC 3463 x.3: the relay's own storage, load or configuration (451 4.3.0, 452 4.3.1, 4.3.2). 5.3.0 is a catch-all.
    Row(Fault.RELAY, codes=range(400, 500), enhanced={"3"}),
    Row(Fault.RELAY, codes=_REFUSAL, enhanced={"3.1", "3.2", "3.3", "3.5"}),
    # RFC 3463 x.4: network and routing towards the recipient's domain.
    Row(Fault.DOMAIN, codes=_REFUSAL, enhanced={"4"}),
    # RFC 3463 x.5, RFC 5321 4.2.2 (500 to 504), 4.1.1.11 (455, 555): we and the relay misunderstand each other.
    Row(Fault.RELAY, codes=_REFUSAL, enhanced={"5"}),
    # RFC 6531 3.5: the relay cannot take an internationalised address.
    Row(Fault.RECIPIENT, codes=_REFUSAL, enhanced={"6.7"}),
    # RFC 3463 x.6: media and conversion; x.7: security or policy, greylisting among it.
    Row(Fault.CONTENT, codes=_REFUSAL, enhanced={"6"}),
    Row(Fault.POLICY, codes=_REFUSAL, enhanced={"7"}),
    # Below, the basic code alone (RFC 5321 4.2.3).
    Row(Fault.RELAY, codes={500, 501, 502, 503, 504, 455, 555}),
    # RFC 7504 521: the host takes no mail at all. RFC 5321: 452 is the relay's storage.
    Row(Fault.RELAY, codes={521, 452}),
    # 451 is "local error", but at RCPT it is how a greylist without enhanced codes says "later".
    Row(Fault.RECIPIENT, stages=_RCPT, codes={451}),
    Row(Fault.RELAY, codes={451}),
    # At MAIL no recipient is known yet.
    Row(Fault.RELAY, stages=_MAIL, codes=range(400, 500)),
    # RFC 1870 6.1: 552 to MAIL answers SIZE=. RFC 5321 4.3.5: 553 to MAIL is the sender's address.
    Row(Fault.CONTENT, stages=_MAIL, codes={552, 553}),
    # RFC 5321 4.2.3: 552 to RCPT is the mailbox's storage, which passes.
    Row(Fault.RECIPIENT, stages=_RCPT, codes={552}, again=True),
    # 552 and 554 once content is in play are about the content.
    Row(Fault.CONTENT, stages=_CONTENT, codes={552, 554}),
    # 554 elsewhere and 5xx to the sender or the content: somebody's rule.
    Row(Fault.POLICY, codes={554}),
    Row(Fault.POLICY, stages=_CONTENT | _MAIL, codes=range(500, 600)),
    # All else was said of the recipient.
    Row(Fault.RECIPIENT),
)


def classify(reply: Reply) -> Outcome:
    """Decide what a reply makes of its message. Only a 2xx to the final dot is acceptance (RFC 5321 section 4.2.5)."""
    if reply.stage is Stage.DOT and 200 <= reply.code < 300:
        return Accepted(reply)
    status = (reply.enhanced or "").partition(".")[2]
    subject = status.partition(".")[0]
    row = next(row for row in TABLE if row.matches(reply, subject, status))
    again = reply.code < 500 if row.again is None else row.again
    if again or row.fault is Fault.RELAY:
        return Deferred(reply, row.fault)
    return Rejected(reply, row.fault)
