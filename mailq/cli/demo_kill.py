"""What is different about a demo in which a server is killed: how it is followed, counted and told."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mailq.cli import parts
from mailq.cli.demo_ground import Ground
from mailq.cli.terminal import clean, print_line

if TYPE_CHECKING:
    from mailq.local.ledgers import Comparison
    from mailq.local.takeover import Doubtful
    from mailq.store.database import Database
    from mailq.store.mailings import Summary

_MOST_SHOWN = 100


def checks(ground: Ground, database: "Database", reference: str) -> Callable[[], None]:
    """What is asked at every look at the mailing: whether all runs that should, and whether it is time to kill."""

    def check() -> None:
        ground.check()
        if ground.kill is not None:
            ground.kill.look(database, reference)

    return check


def counted(ground: Ground, database: "Database", summary: "Summary") -> "Comparison":
    """Both ledgers, side by side."""
    from mailq.local import demo, takeover

    if ground.kill is None:
        return demo.count_twice(database, summary.mailing, ground.about)
    return takeover.count_twice(database, summary.mailing, ground.accepted_file)


def agree(ground: Ground, comparison: "Comparison") -> bool:
    """Whether the ledgers agree. Where a server was killed they may differ by what is in doubt, and it must have been killed."""
    if ground.kill is None:
        return comparison.agree
    nothing_wrong = not (comparison.num_doubled or comparison.num_missing or comparison.num_surplus)
    return nothing_wrong and ground.kill.facts.seconds is not None


def verdict(ground: Ground, comparison: "Comparison") -> str:
    """The line below both."""
    if ground.kill is None:
        return "both ledgers name the same addresses" if comparison.agree else "THE LEDGERS DIFFER"
    if ground.kill.facts.seconds is None:
        return "THE MAILING WAS OVER BEFORE THE SERVER COULD BE KILLED; take more --recipients"
    return "all sent were accepted; all accepted were sent or are in doubt" if agree(ground, comparison) else "THE LEDGERS DIFFER"


def doubts_of(ground: Ground, summary: "Summary") -> "list[Doubtful]":
    """Who is in doubt, and whom of them the sink has; nobody where nothing was killed."""
    from mailq.local import takeover

    if ground.kill is None:
        return []
    with parts.opened(ground.settings) as database:
        return takeover.in_doubt(database, summary.mailing, ground.accepted_file)


def kill_document(ground: Ground, doubts: "Sequence[Doubtful]") -> dict[str, Any]:
    """What JSON says about the kill; nothing where none was."""
    if ground.kill is None:
        return {}
    facts = ground.kill.facts
    return {
        "killed": facts.killed if facts.seconds is not None else None,
        "killed_after": facts.num_settled,
        "taken_over_by": facts.by,
        "taken_over_after_seconds": None if facts.seconds is None else round(facts.seconds, 3),
        "batches_taken_over": facts.num_held,
        "in_doubt": [{"address": one.address, "accepted_by_sink": one.accepted} for one in doubts],
    }


def print_kill(ground: Ground, doubts: "Sequence[Doubtful]") -> None:
    """Those in doubt, by address."""
    if ground.kill is None:
        return
    print_line(f"\nin doubt      {len(doubts)}: on the wire when {ground.kill.facts.killed} was killed; not sent again")
    for one in doubts[:_MOST_SHOWN]:
        print_line(f"  {clean(one.address)}  {'the sink has it' if one.accepted else 'the sink does not have it'}")
    if len(doubts) > _MOST_SHOWN:
        print_line(f"  and {len(doubts) - _MOST_SHOWN:,} more")
