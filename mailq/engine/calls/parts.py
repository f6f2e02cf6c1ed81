"""Parts of conversations are received: judged while their conversations are locked, many in a few statements."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection

from mailq.core.call import State
from mailq.core.conversation import Judgement, Part, judge
from mailq.core.conversation import Standing as Facts
from mailq.engine.calls import ending
from mailq.engine.calls.entering import Entered, Refusal, enter, entry
from mailq.engine.calls.order import CallOrder
from mailq.engine.calls.terms import Terms
from mailq.errors import Conflict
from mailq.store import call_turns, calls, conversations
from mailq.store.calls import Known
from mailq.store.conversations import Standing

_MOST_ENDED = 100
_Place = tuple[str, int]
"""A conversation_id and a sequence_code."""


def receive(tx: Connection, organization_id: int, orders: Sequence[CallOrder], *, terms: Terms) -> list[Entered | Refusal]:
    """Put parts down, and let conversations run that have all of theirs; an answer for each, in the order they are given."""
    answers: dict[int, Entered | Refusal] = {}
    # In sequence, and two of one place one after the other.
    left = sorted(range(len(orders)), key=lambda number: _place(orders[number]))
    while left:
        firsts = {_place(orders[number]): number for number in reversed(left)}
        numbers = sorted(firsts.values(), key=left.index)
        found = _receive(tx, organization_id, [orders[number] for number in numbers], terms)
        answers |= zip(numbers, found, strict=True)
        left = [number for number in left if number not in answers]
    return [answers[number] for number in range(len(orders))]


def _receive(tx: Connection, organization_id: int, orders: Sequence[CallOrder], terms: Terms) -> list[Entered | Refusal]:
    standing = _standing(tx, organization_id, orders)
    there = _there(tx, orders, standing)
    judged = [_judge(order, standing[_place(order)[0]], there.get(_place(order)), terms) for order in orders]
    new = [order for order, judgement in zip(orders, judged, strict=True) if judgement is Judgement.TAKE]
    entered = iter(_take(tx, organization_id, new, standing, terms))
    late = {_place(order)[0] for order, judgement in zip(orders, judged, strict=True) if judgement is Judgement.LATE}
    if late and terms.respond is not None:
        # One of thousands of parts, which may all want an answer, is left to the leader: nobody shall wait for that.
        few = [standing[key].id for key in sorted(late) if standing[key].num_received <= _MOST_ENDED]
        ending.end_late(tx, [conversations.hold(tx, row) for row in few], terms=terms, respond=terms.respond)
    return [
        next(entered) if judgement is Judgement.TAKE else _answer(order, judgement, standing, there, terms)
        for order, judgement in zip(orders, judged, strict=True)
    ]


def _standing(tx: Connection, organization_id: int, orders: Iterable[CallOrder]) -> Mapping[str, Standing]:
    """The conversations, made where they are new, and locked where a judgement needs it."""
    lengths: dict[str, int] = {}
    for order in orders:
        lengths.setdefault(_place(order)[0], order.calls_in_conversation)
    found: dict[str, Standing] = {}
    # What one statement just misses, because somebody else makes or completes it in between, the next round finds.
    while missing := {key: length for key, length in lengths.items() if key not in found}:
        found |= conversations.lock_receiving(tx, organization_id, missing)
        if rest := missing.keys() - found.keys():
            found |= conversations.beyond_receiving(tx, organization_id, rest)
        if rest := missing.keys() - found.keys():
            found |= conversations.make(tx, organization_id, {key: lengths[key] for key in rest})
    return found


def _there(tx: Connection, orders: Sequence[CallOrder], standing: Mapping[str, Standing]) -> Mapping[_Place, Known]:
    """The parts that have these places already."""
    rows = {(standing[key].id, code): (key, code) for key, code in map(_place, orders) if standing[key].num_received}
    return {rows[row]: known for row, known in calls.in_places(tx, list(rows)).items()} if rows else {}


def _judge(order: CallOrder, known: Standing, before: Known | None, terms: Terms) -> Judgement:
    part = Part(order.sequence_code, order.calls_in_conversation, order.digest())
    facts = Facts(known.state, known.calls_in_conversation, known.last_part_at)
    in_its_place = None if before is None else before.digest
    # A first part is not late, however long making its conversation took: somebody else may have made it before, and rolled back.
    now = known.now if known.num_received else known.last_part_at
    return judge(part, facts, in_its_place=in_its_place, now=now, gap=terms.part_gap)


def _take(
    tx: Connection, organization_id: int, new: Sequence[CallOrder], standing: Mapping[str, Standing], terms: Terms
) -> list[Entered | Refusal]:
    """Put new parts down, count them, and let the first ones of conversations run that are complete."""
    rows = [standing[_place(order)[0]].id for order in new]
    entries = [entry(order, state=State.WAITING, conversation_id=row) for order, row in zip(new, rows, strict=True)]
    entered = enter(tx, organization_id, entries, terms=terms)
    nums = Counter(row for row, each in zip(rows, entered, strict=True) if isinstance(each, Entered) and each.created)
    complete = conversations.note_parts(tx, nums) if nums else set()
    states = call_turns.let_run(tx, dict.fromkeys(complete, 1)) if complete else {}
    empty = [each.id for each in standing.values() if not each.num_received and each.id not in nums]
    if empty:
        conversations.forget_empty(tx, empty)
    return [_as_it_is(each, states) for each in entered]


def _as_it_is(each: Entered | Refusal, states: Mapping[str, State]) -> Entered | Refusal:
    if isinstance(each, Entered) and each.call.public_id in states:
        return Entered(each.call._replace(state=states[each.call.public_id]), each.created)
    return each


def _answer(
    order: CallOrder, judgement: Judgement, standing: Mapping[str, Standing], there: Mapping[_Place, Known], terms: Terms
) -> Entered | Refusal:
    key, code = place = _place(order)
    if judgement is Judgement.REPEATED:
        return Entered(there[place], False)
    length = standing[key].calls_in_conversation
    words, name = {
        Judgement.OTHER_WORDS: (
            f"part {code} of conversation `{key}` has been received, and said something else",
            "sequence_code",
        ),
        Judgement.OTHER_LENGTH: (
            f"conversation `{key}` has {length:,} parts, as was said with those before, and not {order.calls_in_conversation:,}",
            "calls_in_conversation",
        ),
        Judgement.USED: (
            f"the conversation_id `{key}` has been used; what is new, and what has not run, goes into a conversation of its own",
            "conversation_id",
        ),
        Judgement.LATE: (
            f"conversation `{key}` is in error: for more than {ending.spelt(terms.part_gap)} no part came; send all in a new one",
            "conversation_id",
        ),
    }[judgement]
    return Conflict(words, field=f"/options/{name}")


def _place(order: CallOrder) -> _Place:
    assert order.conversation_id is not None
    return order.conversation_id, order.sequence_code
