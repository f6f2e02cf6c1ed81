"""Replies as relays give them, and whose fault they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailq.core.classify import TABLE, classify
from mailq.core.outcome import Accepted, Deferred, Fault, Rejected, Reply, Stage

DEFERRED = [
    (Stage.CONNECT, 554, "5.7.1 blocked", Fault.RELAY),
    (Stage.GREETING, 554, "no SMTP service here", Fault.RELAY),
    (Stage.HELLO, 550, "5.7.1 who are you", Fault.RELAY),
    (Stage.TLS, 454, "4.7.0 TLS not available", Fault.RELAY),
    (Stage.AUTH, 535, "5.7.8 bad credentials", Fault.RELAY),
    (Stage.MAIL, 421, "4.3.2 shutting down", Fault.RELAY),
    (Stage.RCPT, 421, "4.7.0 too many errors", Fault.RELAY),
    (Stage.DOT, 421, "4.7.28 unusual rate", Fault.RELAY),
    (Stage.MAIL, 530, "5.7.0 authentication required", Fault.RELAY),
    (Stage.RCPT, 550, "5.7.8 not authenticated", Fault.RELAY),
    (Stage.MAIL, 530, "5.7.57 client not authenticated to send mail", Fault.RELAY),
    (Stage.RCPT, 554, "5.7.1 <a@b>: Relay access denied", Fault.RELAY),
    (Stage.RCPT, 550, "5.7.54 SMTP; Unable to relay recipient in non-accepted domain", Fault.RELAY),
    (Stage.RCPT, 454, "4.7.1 <a@b>: Relay access denied", Fault.RELAY),
    (Stage.RCPT, 452, "4.2.2 mailbox full", Fault.RECIPIENT),
    (Stage.RCPT, 552, "5.2.2 over quota", Fault.RECIPIENT),
    (Stage.DOT, 552, "5.2.2 over quota", Fault.RECIPIENT),
    (Stage.RCPT, 552, "exceeded storage allocation", Fault.RECIPIENT),
    (Stage.RCPT, 452, "4.3.1 insufficient system storage", Fault.RELAY),
    (Stage.MAIL, 452, "insufficient system storage", Fault.RELAY),
    (Stage.MAIL, 451, "4.3.0 queue file write error", Fault.RELAY),
    (Stage.RCPT, 450, "4.3.2 too busy", Fault.RELAY),
    (Stage.RCPT, 554, "5.3.2 system not accepting messages", Fault.RELAY),
    (Stage.DOT, 451, "local error in processing", Fault.RELAY),
    (Stage.RCPT, 451, "greylisted, come back in 300 seconds", Fault.RECIPIENT),
    (Stage.RCPT, 450, "4.2.0 greylisted", Fault.RECIPIENT),
    (Stage.RCPT, 450, "4.7.1 greylisted", Fault.POLICY),
    (Stage.RCPT, 450, "4.1.2 domain not found", Fault.DOMAIN),
    (Stage.RCPT, 450, "4.1.8 sender domain not found", Fault.CONTENT),
    (Stage.RCPT, 450, "mailbox busy", Fault.RECIPIENT),
    (Stage.RCPT, 451, "4.4.4 no route", Fault.DOMAIN),
    (Stage.RCPT, 500, "unrecognised command", Fault.RELAY),
    (Stage.RCPT, 501, "5.5.4 bad parameters", Fault.RELAY),
    (Stage.DATA, 503, "5.5.1 bad sequence", Fault.RELAY),
    (Stage.MAIL, 555, "parameters not recognised", Fault.RELAY),
    (Stage.DATA, 554, "5.5.1 no valid recipients", Fault.RELAY),
    (Stage.MAIL, 450, "try later", Fault.RELAY),
    (Stage.MAIL, 521, "host takes no mail", Fault.RELAY),
    (Stage.DOT, 354, "go ahead", Fault.RELAY),
    (Stage.RCPT, 250, "fine", Fault.RELAY),
]
REJECTED = [
    (Stage.RCPT, 550, "5.1.1 no such user", Fault.RECIPIENT),
    (Stage.RCPT, 550, "no such user", Fault.RECIPIENT),
    (Stage.RCPT, 501, "5.1.3 bad address syntax", Fault.RECIPIENT),
    (Stage.RCPT, 550, "5.2.1 mailbox disabled", Fault.RECIPIENT),
    (Stage.RCPT, 553, "mailbox name not allowed", Fault.RECIPIENT),
    (Stage.DOT, 550, "5.1.1 no such user, after all", Fault.RECIPIENT),
    (Stage.RCPT, 550, "5.1.2 no such domain", Fault.DOMAIN),
    (Stage.RCPT, 556, "5.1.10 null MX", Fault.DOMAIN),
    (Stage.RCPT, 556, "domain takes no mail", Fault.DOMAIN),
    (Stage.RCPT, 550, "5.4.1 no answer from host", Fault.DOMAIN),
    (Stage.MAIL, 553, "5.1.8 bad sender", Fault.CONTENT),
    (Stage.MAIL, 550, "5.1.0 sender refused", Fault.CONTENT),
    (Stage.MAIL, 552, "message size exceeds limit", Fault.CONTENT),
    (Stage.MAIL, 552, "5.3.4 message too big", Fault.CONTENT),
    (Stage.DOT, 552, "message too big", Fault.CONTENT),
    (Stage.BODY, 552, "5.3.4 enough", Fault.CONTENT),
    (Stage.DOT, 554, "spam", Fault.CONTENT),
    (Stage.DOT, 554, "5.6.0 bad MIME", Fault.CONTENT),
    (Stage.MAIL, 553, "5.6.7 no SMTPUTF8", Fault.RECIPIENT),
    (Stage.DOT, 550, "5.7.1 looks like spam", Fault.POLICY),
    (Stage.DOT, 550, "5.7.26 not authenticated by SPF or DKIM", Fault.POLICY),
    (Stage.RCPT, 550, "5.7.1 Service unavailable; client host blocked using a list", Fault.POLICY),
    (Stage.RCPT, 554, "transaction failed", Fault.POLICY),
    (Stage.MAIL, 550, "no", Fault.POLICY),
]


@pytest.mark.parametrize(("stage", "code", "text", "fault"), DEFERRED)
def test_what_may_be_tried_again(stage: Stage, code: int, text: str, fault: Fault):
    reply = Reply(stage, code, text)
    assert classify(reply) == Deferred(reply, fault)


@pytest.mark.parametrize(("stage", "code", "text", "fault"), REJECTED)
def test_what_is_of_no_use_to_try_again(stage: Stage, code: int, text: str, fault: Fault):
    reply = Reply(stage, code, text)
    assert classify(reply) == Rejected(reply, fault)


@given(st.sampled_from(Stage), st.integers(100, 599), st.text(max_size=40))
def test_every_reply_has_an_outcome_and_only_a_2xx_to_the_dot_is_acceptance(stage: Stage, code: int, text: str):
    outcome = classify(Reply(stage, code, text))
    assert isinstance(outcome, Accepted) == (stage is Stage.DOT and 200 <= code < 300)


@given(st.sampled_from(Stage), st.integers(100, 599), st.text(max_size=40))
def test_a_relays_fault_is_never_final(stage: Stage, code: int, text: str):
    outcome = classify(Reply(stage, code, text))
    assert not (isinstance(outcome, Rejected) and outcome.fault is Fault.RELAY)


def test_every_row_decides_some_reply():
    """A row that others shadow is a rule that nobody follows."""
    deciding = set()
    for stage, code, text, _ in [*DEFERRED, *REJECTED]:
        reply = Reply(stage, code, text)
        status = (reply.enhanced or "").partition(".")[2]
        deciding.add(next(n for n, row in enumerate(TABLE) if row.matches(reply, status.partition(".")[0], status)))
    assert [TABLE[n] for n in range(len(TABLE)) if n not in deciding] == []
