"""Whether each call has ended once, in its turn, with its effect, and nothing else has come of anything."""

from collections import Counter
from collections.abc import Iterator, Mapping

from mailq.core.call import State
from mailq.core.conversation import State as ConversationState
from mailq.core.delivery import State as DeliveryState
from mailq.local.proof.calls import answers
from mailq.local.proof.calls.books import CallRow
from mailq.local.proof.calls.plots import Call, Conversation, all_calls
from mailq.local.proof.calls.sides import Findings, Round

_ON_ITS_WAY = {DeliveryState.SENT, DeliveryState.IN_DOUBT}


def judge(this: Round, findings: Findings) -> None:
    """Compare all sides of a round, and add what is to be told."""
    rows = {row.name: row for row in this.books.calls}
    findings.num_calls += len(rows)
    findings.num_conversations += len(this.books.conversations)
    findings.num_failed += sum(row.state == ConversationState.ERROR for row in this.books.conversations.values())
    findings.num_late += sum(this.is_late(each) for each in this.plot.conversations)
    findings.add(_accepted_otherwise(this))
    findings.add(_ended_otherwise(this, rows))
    for conversation in this.plot.conversations:
        findings.add(_conversation_faults(this, conversation, rows))
    findings.add(_mail_faults(this, findings))
    findings.add(answers.faults(this, findings))


def _accepted_otherwise(this: Round) -> Iterator[str]:
    """Each call that was said stands there once, under the id that its producer was told, and no other one does."""
    counted = Counter(row.name for row in this.books.calls)
    known = {row.name: row.public_id for row in this.books.calls}
    for name in this.expected.keys() | counted.keys() | this.ids.keys():
        if counted[name] != 1 or name not in this.expected:
            yield f"call {name} is in the books {counted[name]} times, and was {'' if name in this.expected else 'not '}accepted"
        elif known[name] != this.ids.get(name):
            yield f"call {name} is {known[name]} in the books, and its producer was told {this.ids.get(name)}"
    for call in all_calls(this.plot):
        if call.name not in this.ids and call.name not in this.too_late:
            yield f"call {call.name} was sent, and never confirmed or refused"


def _ended_otherwise(this: Round, rows: Mapping[str, CallRow]) -> Iterator[str]:
    """Each has ended as it must, with one result for each object if it has run, and none if not."""
    for name, (call, state) in this.expected.items():
        row = rows.get(name)
        if row is None:
            continue
        if row.state != state or row.ended_at is None:
            yield f"call {name} ({row.public_id}) is {row.state}, and should be {state}"
        statuses = _statuses(call, state)
        if list(row.statuses) != statuses:
            yield f"call {name} ({row.public_id}) has the results {list(row.statuses)}, and should have {statuses}"
        if statuses and row.scheduled_at is not None and row.ended_at is not None and row.ended_at < row.scheduled_at:
            yield f"call {name} ({row.public_id}) ran before its time"


def _statuses(call: Call, state: State) -> list[str]:
    if state not in (State.FINISHED, State.ERROR):
        return []
    good = ["ok"] * len(call.body["objects"])
    return good if state is State.FINISHED else [*good[:-1], "error"]


def _conversation_faults(this: Round, conversation: Conversation, rows: Mapping[str, CallRow]) -> Iterator[str]:
    row = this.books.conversations.get(conversation.id)
    if row is None:
        yield f"conversation {conversation.id} is not in the books"
        return
    late, runs, state = this.is_late(conversation), this.runs(conversation), this.outcome(conversation)
    if (row.state, row.num_run) != (state, runs):
        yield (f"conversation {row.key} is {row.state} after {row.num_run} parts, and should be {state} after {runs}")
    if late and (row.ended_at is None or row.ended_at - row.last_part_at < this.part_gap):
        yield f"conversation {row.key} was given up before its time: {row.last_part_at} to {row.ended_at}"
    if not late and any(part.name in this.too_late for part in conversation.parts):
        yield f"conversation {row.key} has all its parts, and one was refused as too late"
    yield from _sequence_faults(this, conversation, runs, rows)
    last = [code for code in range(1, runs + 1) if code % 3]
    wanted = last[-1] if last and runs % 3 else None
    if this.books.subscribers.get(conversation.id) != wanted:
        found = this.books.subscribers.get(conversation.id)
        yield f"the subscriber of conversation {row.key} was last written by part {found}, and not by {wanted}"


def _sequence_faults(this: Round, conversation: Conversation, runs: int, rows: Mapping[str, CallRow]) -> Iterator[str]:
    """The parts ended one after the other, and so did their effects come to be."""
    ran = [rows[part.name] for part in conversation.parts[:runs] if part.name in rows]
    ends = [row.ended_at for row in ran if row.ended_at is not None]
    if ends != sorted(ends):
        yield f"the parts of conversation {conversation.id} ended in another order"
    places = {address: place for place, part in enumerate(conversation.parts) for address in part.mails}
    made = [places[mail.address] for mail in this.books.mails if mail.address in places]
    if made != sorted(made):
        yield f"the messages of conversation {conversation.id} were made in another order: {made}"


def _mail_faults(this: Round, findings: Findings) -> Iterator[str]:
    """Each message was made once, and by nobody whose turn never came; it was mailed once, or is in doubt."""
    wanted = {
        address for call, state in this.expected.values() if state in (State.FINISHED, State.ERROR) for address in call.mails
    }
    made = Counter(mail.address for mail in this.books.mails)
    for address in wanted | made.keys() | this.accepted.keys():
        times = int(address in wanted)
        states_of = this.books.delivered.get(address, Counter())
        sent, mails = states_of[DeliveryState.SENT], this.accepted[address]
        findings.num_mails += mails
        if made[address] != times:
            yield f"a message to {address} was made {made[address]} times, and not {times}"
        if states_of.total() != times or set(states_of) - _ON_ITS_WAY:
            yield f"deliveries to {address}: {dict(states_of)}, and there should be {times}"
        if not sent <= mails <= states_of.total():
            yield f"{address} was mailed {mails} times, and stands as sent {sent} times"
