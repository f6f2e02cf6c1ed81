"""What became of a delivery that had begun when its worker process was lost: what a journal proves, and doubt where none does."""

from collections.abc import Mapping

from mailq.core.classify import classify
from mailq.core.journal import Evidence
from mailq.core.outcome import Doubt, Outcome, Reply, Stage, Unknown

AS_NOTED = "as the journal has it"
"""In place of a reply's text, of which the journal keeps the code alone."""


def by_evidence(known: Mapping[int, Evidence] | None, seq: int) -> Outcome | None:
    """Decide what became of an open delivery; None if it was certainly not accepted, so that it has not begun.

    Args:
        known: the evidence of a complete journal of a dead process, by seq; None where nothing is proven.
    """
    if known is None:
        return Unknown(Doubt.HOST_LOST)
    found = known.get(seq)
    if found is None or not found.dot_left:
        return None
    if found.code is None:
        return Unknown(Doubt.WORKER_KILLED)
    return classify(Reply(Stage.DOT, found.code, AS_NOTED))
