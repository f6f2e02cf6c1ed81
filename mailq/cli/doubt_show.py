"""`doubt show`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples, json_option, reference_argument
from mailq.cli.recipients import Recipient
from mailq.cli.terminal import clean, plain, print_facts, print_json, print_line, print_table
from mailq.core.delivery import State
from mailq.core.in_doubt import MEANING, Verdict, by_policy, refusal
from mailq.core.outcome import Doubt

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailq.settings import Settings
    from mailq.store.audit import Entry
    from mailq.store.doubts import Found
    from mailq.store.mailings import Mailing

_EFFECT = {
    Verdict.SENT: "it counts as sent",
    Verdict.RESEND: "it is sent again, and may arrive twice",
    Verdict.ERROR: "it counts as not sent, and is not tried again",
}


@dataclass(frozen=True)
class Case:
    """All that is known of a delivery."""

    mailing: "Mailing"
    found: "Found"
    past_its_time: bool
    message_id: str | None
    envelope_sender: str | None
    history: "list[Entry]"


@click.command(context_settings=CONTEXT, epilog=examples("doubt show sale-42 ann@x.example", "doubt show sale-42 1234"))
@reference_argument
@click.argument("who", metavar="ADDRESS|SEQ", type=Recipient())
@json_option()
def show(*, reference: str, who: int | str, as_json: bool) -> None:
    """Show a delivery in doubt, what was decided about it, and what you can do."""
    chosen = parts.load()
    with parts.opened(chosen) as database, database.begin() as tx:
        case = _look(tx, reference, who, chosen)
    if as_json:
        print_json(_document(case))
        return
    print_facts({name.replace("_", " "): value for name, value in _facts(case).items()})
    if case.history:
        print_line("")
        rows = [(each.at, each.actor, each.action, _said(each)) for each in case.history]
        print_table(("at", "by", "action", "details"), rows)
    print_line("")
    for line in _advice(case):
        print_line(clean(line))


def _look(tx: "Connection", reference: str, who: int | str, chosen: "Settings") -> Case:
    from mailq.core.verp import Verp
    from mailq.engine.naming import namer
    from mailq.store import audit, doubts, installation, mailings
    from mailq.store.database import moment

    mailing = mailings.find(tx, reference)
    found = doubts.find(tx, mailing.id, who)
    bounce = chosen.bounce_address
    return Case(
        mailing=mailing,
        found=found,
        past_its_time=mailing.expires_at is not None and mailing.expires_at <= moment(tx),
        message_id=namer(tx, mailing.id, chosen.message_id_domain)(found.seq) if found.attempts else None,
        envelope_sender=Verp(bounce, installation.secret(tx)).sender(mailing.id, found.seq) if bounce else None,
        history=audit.of_delivery(tx, mailing.id, found.seq),
    )


def _facts(case: Case) -> dict[str, Any]:
    found = case.found
    return {
        "mailing": case.mailing.public_id,
        "name": case.mailing.name,
        "mailing_state": case.mailing.state,
        "policy": case.mailing.doubt_policy,
        "seq": found.seq,
        "address": found.address,
        "state": found.state,
        "reason": found.doubt,
        "since": found.settled_at,
        "attempts": found.attempts,
        "relay": found.relay,
        "reply": found.reply or found.skip,
        "message_id": case.message_id,
        "envelope_sender": case.envelope_sender,
    }


def _document(case: Case) -> dict[str, Any]:
    history = [each._asdict() for each in case.history]
    return _facts(case) | {"history": history, "verdicts": [verdict.value for verdict in _allowed(case)]}


def _said(entry: "Entry") -> str:
    return ", ".join(f"{name} {plain(value)}" for name, value in entry.details.items() if value is not None)


def _allowed(case: Case) -> list[Verdict]:
    if case.found.state != State.IN_DOUBT:
        return []
    return [each for each in Verdict if refusal(each, case.mailing.state, past_its_time=case.past_its_time) is None]


def _advice(case: Case) -> list[str]:
    if case.found.doubt is None:
        return [f"it is not in doubt: it is {case.found.state}"]
    reason = Doubt(case.found.doubt)
    lines = [f"in doubt, because {MEANING[reason]}.", _what_the_policy_does(case, reason), _where_to_look(case), "You can say:"]
    call = f"  mailqctl doubt resolve {case.mailing.public_id} {case.found.seq} --as"
    lines += [f"{call} {verdict:<7} {_EFFECT[verdict]}" for verdict in _allowed(case)]
    why = refusal(Verdict.RESEND, case.mailing.state, past_its_time=case.past_its_time)
    return [*lines, f"  It cannot be sent again: the mailing {why}."] if why else lines


def _what_the_policy_does(case: Case, reason: Doubt) -> str:
    policy = case.mailing.doubt_policy
    verdict = by_policy(policy, reason, case.mailing.state, past_its_time=case.past_its_time)
    if verdict is None:
        return f"The mailing's policy `{policy}` leaves it to evidence, or to you."
    return f"By the mailing's policy `{policy}`, {_EFFECT[verdict]} when the doubt is as old as a lease."


def _where_to_look(case: Case) -> str:
    sought = "the Message-ID" if case.envelope_sender is None else "the envelope sender or the Message-ID"
    return f"Look for {sought} in the log of the relay: if it has queued the mail, it was sent."
