"""What the relay does with the dots that reach it. Judging, replying and noting R are one step: a death between them shows as a reply
that came too late."""

from collections.abc import Iterator

from tests.model.state import (
    ACCEPTED,
    DOTTED,
    REFUSED,
    UNANSWERED,
    UNNOTED,
    Dot,
    Record,
    State,
    World,
    spend,
    with_letter,
)


def steps(world: World, state: State) -> Iterator[tuple[str, State]]:
    """Everything the relay may do next."""
    for dot in state.wire:
        yield from _judge(state._replace(wire=state.wire - {dot}), dot)


def _judge(state: State, dot: Dot) -> Iterator[tuple[str, State]]:
    number, incarnation = dot.sender
    sender = state.processes[number]
    listens = sender.alive and sender.works_as == incarnation and sender.fence == dot.fence
    if listens and (dot.seq, UNNOTED) in sender.letters:
        return
    accepted = state._replace(accepted=tuple(n + (seq == dot.seq) for seq, n in enumerate(state.accepted, start=1)))
    if not (listens and (dot.seq, DOTTED) in sender.letters):
        yield f"the relay accepts {dot.seq}, nobody listens", accepted
        yield f"dot {dot.seq} never reaches the relay, nobody listens", state
        return
    yield f"the relay accepts {dot.seq}", _reply(accepted, dot, ACCEPTED)
    if unlucky := spend(state, "refusal"):
        yield f"the relay refuses {dot.seq} for now", _reply(unlucky, dot, REFUSED)
    if unlucky := spend(accepted, "drop"):
        yield f"the relay accepts {dot.seq}; the reply is lost", with_letter(unlucky, number, dot.seq, UNANSWERED)
    if unlucky := spend(state, "drop"):
        yield f"the session ends before the relay has dot {dot.seq}", with_letter(unlucky, number, dot.seq, UNANSWERED)


def _reply(state: State, dot: Dot, meaning: str) -> State:
    record = Record(dot.sender, dot.fence, dot.seq, meaning)
    return with_letter(state._replace(journals=state.journals | {record}), dot.sender[0], dot.seq, meaning)
