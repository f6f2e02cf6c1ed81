"""The proof of calls: what it makes of books, mails and answers in which something is not as it must be."""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from mailq.core.call import RespondWhen, State
from mailq.local.proof.calls.books import Books, CallRow, ConversationRow, Mail, Notified
from mailq.local.proof.calls.order import MEANINGS, WEIGHTED, Kind, Order
from mailq.local.proof.calls.plots import Asked, Call, Conversation, Plot, Writer, all_calls, told_at
from mailq.local.proof.calls.producers import Answer, Confirmed, note
from mailq.local.proof.calls.receiver import Told
from mailq.local.proof.calls.sides import Findings, Round
from mailq.local.proof.calls.verdict import judge

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
GAP = timedelta(seconds=10)
BASE = "http://127.0.0.1:1"


def body(*objects: str, **options: Any) -> dict[str, Any]:
    return {"objects": list(objects), "options": {"send_response_to": [], **options}}


def part(code: int, **changed: Any) -> Call:
    told = Call(f"v-{code}", body("one", conversation_id="v"), State.FINISHED, (f"v-{code}@mail.example",))
    return replace(told, **changed)


ALONE = Call("c", body("one", "two"), State.ERROR, ("c@mail.example",), (Asked("/c/always", RespondWhen.ALWAYS),))
PARTS = (part(1), part(2), part(3))
WHOLE = Conversation("v", PARTS)
IDS = {"c": "req_c", "v-1": "req_1", "v-2": "req_2", "v-3": "req_3"}
PAYLOAD = json.dumps({"type": "call.error"})


def row(name: str, state: str, *statuses: str, at: int = 0) -> CallRow:
    return CallRow(name, IDS[name], state, NOON + timedelta(seconds=at), None, statuses)


CALLS = (
    row("c", "error", "ok", "error"),
    *(row(f"v-{code}", "finished", "ok", at=code) for code in (1, 2, 3)),
)
MAILS = tuple(Mail(f"{name}@mail.example", number) for number, name in enumerate(IDS))
BOOKS = Books(
    CALLS,
    {"v": ConversationRow("v", "finished", 3, 3, NOON, NOON + timedelta(seconds=4))},
    MAILS,
    {mail.address: Counter(sent=1) for mail in MAILS},
    {},
    (Notified("ntf_1", f"{BASE}/c/always", "call.error", PAYLOAD, "sent"),),
)
HEARD = Told("/c/always", "ntf_1", PAYLOAD.encode(), taken=True, genuine=True)
ROUND = Round(Plot([ALONE], [WHOLE]), IDS, frozenset(), BOOKS, Counter(mail.address for mail in MAILS), [HEARD, HEARD], GAP)


def judged(this: Round) -> Findings:
    found = Findings()
    judge(this, found)
    return found


def books(**changed: Any) -> Round:
    return replace(ROUND, books=BOOKS._replace(**changed))


def calls(*changed: CallRow) -> Round:
    by_name = {each.name: each for each in (*CALLS, *changed)}
    return books(calls=tuple(by_name.values()))


def test_what_is_as_it_must_be_is_all_right() -> None:
    found = judged(ROUND)

    assert (found.num_faults, found.examples) == (0, [])
    assert (found.num_calls, found.num_conversations, found.num_mails) == (4, 1, 4)
    assert (found.num_answers, found.num_attempts) == (1, 2)


@pytest.mark.parametrize(
    ("this", "said"),
    [
        (books(calls=CALLS[1:]), "call c is in the books 0 times"),
        (books(calls=(*CALLS, CALLS[0])), "call c is in the books 2 times"),
        (calls(CALLS[0]._replace(public_id="req_9")), "call c is req_9 in the books, and its producer was told req_c"),
        (calls(CALLS[0]._replace(state="ready")), r"call c \(req_c\) is ready, and should be error"),
        (calls(CALLS[1]._replace(statuses=("ok", "ok"))), r"call v-1 \(req_1\) has the results \['ok', 'ok'\]"),
        (calls(CALLS[1]._replace(scheduled_at=NOON + GAP)), r"call v-1 \(req_1\) ran before its time"),
        (calls(CALLS[2]._replace(ended_at=NOON)), "the parts of conversation v ended in another order"),
        (books(conversations={}), "conversation v is not in the books"),
        (
            books(conversations={"v": BOOKS.conversations["v"]._replace(num_run=2)}),
            "conversation v is finished after 2 parts, and should be finished after 3",
        ),
        (books(subscribers={"v": 2}), "the subscriber of conversation v was last written by part 2, and not by None"),
        (
            books(mails=(MAILS[0], MAILS[2], MAILS[1], MAILS[3])),
            r"the messages of conversation v were made in another order: \[1, 0, 2\]",
        ),
        (books(mails=(*MAILS, MAILS[0])), "a message to c@mail.example was made 2 times, and not 1"),
        (
            books(delivered={**BOOKS.delivered, "c@mail.example": Counter(pending=1)}),
            "deliveries to c@mail.example: {'pending': 1}, and there should be 1",
        ),
        (
            replace(ROUND, accepted=ROUND.accepted + Counter(["c@mail.example"])),
            "c@mail.example was mailed 2 times, and stands as sent 1 times",
        ),
        (
            replace(ROUND, accepted=ROUND.accepted + Counter(["eve@mail.example"])),
            "eve@mail.example was mailed 1 times, and stands as sent 0 times",
        ),
        (replace(ROUND, told=[]), "the answer call.error at /c/always came as nothing, and is ntf_1 in the books"),
        (replace(ROUND, told=[HEARD, replace(HEARD, webhook_id="ntf_2")]), r"came as \['ntf_1', 'ntf_2'\], and is ntf_1"),
        (replace(ROUND, told=[HEARD, replace(HEARD, payload=b'{"type": "call.error", "again": 1}')]), "came with 2 bodies"),
        (replace(ROUND, told=[replace(HEARD, taken=False)]), "the answer call.error at /c/always was never taken"),
        (replace(ROUND, told=[replace(HEARD, genuine=False), HEARD]), "ntf_1, which came at /c/always, has another signature"),
        (replace(ROUND, told=[HEARD, replace(HEARD, path="/elsewhere")]), "/elsewhere tells what did not happen"),
        (replace(ROUND, told=[HEARD, replace(HEARD, payload=b"[]")]), "what came at /c/always is no answer"),
        (books(notified=()), "the answer call.error at /c/always is None in the books"),
        (books(notified=BOOKS.notified * 2), "there are two answers about the same at one address"),
        (
            books(notified=(BOOKS.notified[0]._replace(state="pending"),)),
            "the answer call.error at /c/always is pending in the books",
        ),
        (
            replace(ROUND, ids={name: IDS[name] for name in ("c", "v-1", "v-2")}),
            "call v-3 was sent, and never confirmed or refused",
        ),
    ],
)
def test_what_is_not_is_found_and_said(this: Round, said: str) -> None:
    found = judged(this)

    assert found.num_faults
    assert any(re.search(said, example) for example in found.examples), found.examples


def failed() -> Round:
    """The second part is in error, as it should be, and the third one never ran."""
    plot = Plot([ALONE], [Conversation("v", (part(1), part(2, becomes=State.ERROR), part(3)), fails_at=2)])
    rows = (*CALLS[:2], row("v-2", "error", "error", at=2), row("v-3", "not_run", at=3))
    mails = MAILS[:3]
    now = BOOKS._replace(
        calls=rows,
        conversations={"v": BOOKS.conversations["v"]._replace(state="error", num_run=2)},
        mails=mails,
        delivered={mail.address: Counter(sent=1) for mail in mails},
        subscribers={"v": 2},
    )
    return replace(ROUND, plot=plot, books=now, accepted=Counter(mail.address for mail in mails))


def late() -> Round:
    """The third part never came."""
    plot = Plot([ALONE], [Conversation("v", PARTS, left_out=3)])
    now = BOOKS._replace(
        calls=(CALLS[0], row("v-1", "not_run"), row("v-2", "not_run")),
        conversations={"v": ConversationRow("v", "error", 2, 0, NOON, NOON + GAP)},
        mails=MAILS[:1],
        delivered={MAILS[0].address: Counter(in_doubt=1)},
    )
    return replace(ROUND, plot=plot, ids={name: IDS[name] for name in ("c", "v-1", "v-2")}, books=now, accepted=Counter())


@pytest.mark.parametrize("this", [failed(), late()])
def test_a_conversation_that_is_to_fail_and_does_is_all_right(this: Round) -> None:
    assert judged(this).examples == []


@pytest.mark.parametrize(
    ("this", "change", "said"),
    [
        (failed(), {"calls": (*failed().books.calls[:3], CALLS[3])}, "call v-3 (req_3) is finished, and should be not_run"),
        (failed(), {"mails": MAILS}, "a message to v-3@mail.example was made 1 times, and not 0"),
        (
            late(),
            {"conversations": {"v": ConversationRow("v", "error", 2, 0, NOON, NOON + GAP / 2)}},
            "conversation v was given up before its time",
        ),
        (late(), {"conversations": BOOKS.conversations}, "conversation v is finished after 3 parts, and should be error after 0"),
    ],
)
def test_what_runs_behind_a_part_in_error_or_without_one_is_found(this: Round, change: dict[str, Any], said: str) -> None:
    found = judged(replace(this, books=this.books._replace(**change)))

    assert any(said in example for example in found.examples), found.examples


def test_producers_note_what_they_are_told_and_what_contradicts_it() -> None:
    confirmed = Confirmed()
    told: Callable[..., Answer] = lambda status, **said: Answer(status, said)  # noqa: E731
    note(confirmed, part(1), told(202, request_id="req_1", created=True))
    note(confirmed, part(1), told(202, request_id="req_1", created=False))
    note(confirmed, part(3), told(409, errors=[{"pointer": "#/options/conversation_id"}]))
    assert (confirmed.ids, confirmed.too_late, confirmed.faults) == ({"v-1": "req_1"}, {"v-3"}, [])

    note(confirmed, part(1), told(202, request_id="req_2", created=True))
    note(confirmed, part(1), told(409, errors=[{"pointer": "#/options/conversation_id"}]))
    note(confirmed, part(2), told(422))
    assert [fault.partition(":")[0] for fault in confirmed.faults] == [
        "v-1 was req_1, and is req_2 when it is sent again",
        "v-1 was made twice, as req_2",
        "v-1 was req_1, and is refused when it is sent again",
        "v-2 was refused",
    ]


def plots(seed: int) -> Sequence[Plot]:
    writer = Writer("r1p1", Random(seed), [BASE], most_parts=9)
    return [writer.some() for _ in range(60)]


def test_what_is_sent_follows_from_the_seed_but_for_the_clock() -> None:
    names = [[call.name for call in all_calls(plot)] for plot in plots(5)]

    assert names == [[call.name for call in all_calls(plot)] for plot in plots(5)]
    assert names != [[call.name for call in all_calls(plot)] for plot in plots(6)]


def test_there_is_something_of_everything_in_what_is_sent() -> None:
    some = plots(5)
    sent = [call for plot in some for call in all_calls(plot)]
    conversations = [each for plot in some for each in plot.conversations]

    assert len({call.name for call in sent}) == len(sent)
    assert {call.becomes for call in sent} == {State.FINISHED, State.ERROR, State.CANCELLED}
    assert any(call.synchronous for call in sent)
    assert any(each.fails_at for each in conversations)
    assert any(each.left_out for each in conversations)
    assert {asked.when for call in sent for asked in call.asked} == {*RespondWhen}
    for each in conversations:
        assert [part.body["options"]["sequence_code"] for part in each.parts] == [*range(1, len(each.parts) + 1)]
        assert len(each.sent) == len(each.parts) - (each.left_out is not None)
    for call in sent:
        said = {told_at(one["response_address"]) for one in call.body["options"].get("send_response_to", ())}
        assert {asked.path for asked in call.asked} <= said


def test_every_kind_has_a_meaning_and_its_turn() -> None:
    assert {*MEANINGS} == {*WEIGHTED} == {*Kind}


def test_the_command_that_repeats_a_proof_names_what_is_unusual() -> None:
    assert Order(num_faults=7, seed=3).command() == "./run prove calls --faults 7 --seed 3"
    assert Order(seed=3, num_producers=2, part_gap_s=5).command().endswith("--producers 2 --part-gap 5")
