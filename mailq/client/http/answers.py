"""What the API answers: values where it did what was asked, and the errors that every door raises where it did not."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from mailq.client.call_values import CallAccepted, CallResult, CallState, ConversationState
from mailq.client.values import Accepted, Delivery, Progress
from mailq.errors import BadInput, Conflict, Forbidden, MailqError, Misconfigured, NotFound, Unavailable

Document = Mapping[str, Any]
Value = TypeVar("Value")
Each = TypeVar("Each")


class Paging(Protocol[Each]):
    """Reads a page: what is on it, and where the next one begins; None behind the last."""

    def __call__(self, document: Document, *, base: str) -> tuple[list[Each], str | None]:
        """Read it."""


AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be others the next time."""

MOST_BYTES = 64 << 20
"""No answer is longer; one that goes on is none of mailq's."""

_LONGEST_DETAIL = 1000
_MOMENTS = ("_at", "_time")
_BAD_INPUT = frozenset({400, 413, 415, 422})
_Naming = Callable[[Document], str | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Again(Exception):
    """It may go well the next time.

    Attributes:
        error: what to raise when there is no next time.
        after_s: how long the server asks to wait, if it does.
    """

    def __init__(self, error: MailqError, after_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after_s = after_s


def read(answer: Answer, *, base: str, points: bool = False) -> Document:
    """The document of an answer; `created` is in it.

    Args:
        points: whether what is at fault is named by its JSON pointer.

    Raises:
        Again: it is one of `AGAIN`.
        MailqError: as the problem says.
    """
    if answer.status in AGAIN:
        raise Again(Unavailable(_away(answer, base)), _retry_after(answer))
    if not 200 <= answer.status < 300:
        raise _error(answer, base, _pointer if points else _field)
    found = _json(answer)
    if found is None:
        raise Unavailable(f"{base} answered {answer.status} with what is no answer of mailq; nobody knows what was done")
    return {"created": answer.status == 201} | dict(found)


def value(document: Document, make: Callable[[Document], Value], *, base: str) -> Value:
    """A value of a document.

    Raises:
        Unavailable: it lacks what it should have.
    """
    try:
        return make(document)
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable(f"{base} answered with what is no answer of mailq: {type(error).__name__} {error}") from None


def progress(document: Document) -> Progress:
    """How far a mailing is."""
    return Progress(**_known(Progress, document))


def delivery(document: Document) -> Delivery:
    """What became of one recipient."""
    return Delivery(**_known(Delivery, {"mailing": None, "seq": None} | dict(document)))


def page(document: Document, *, base: str) -> tuple[list[Delivery], str | None]:
    """Deliveries, and where the next ones begin; None behind the last.

    Raises:
        Unavailable: it lacks what it should have.
    """
    return value(document, lambda said: ([delivery(each) for each in said["data"]], said.get("next_cursor")), base=base)


def accepted(document: Document, *, nobody_elses: bool) -> Accepted:
    """A message that was taken.

    Args:
        nobody_elses: whether its key was made up, so that it is ours though we may have had to ask twice.
    """
    return Accepted(str(document["id"]), nobody_elses or bool(document["created"]))


def call_accepted(document: Document, *, nobody_elses: bool) -> CallAccepted:
    """A call that was taken, or has run.

    Args:
        nobody_elses: as for `accepted`.
    """
    said = _known(CallAccepted, document) | {"request_id": str(document["request_id"])}
    if "results" in document:
        said["results"] = tuple(call_results(document))
    return CallAccepted(**said | {"created": nobody_elses or bool(document["created"])})


def call_state(document: Document) -> CallState:
    """How a call stands."""
    return CallState(**_known(CallState, document))


def call_results(document: Document) -> list[CallResult]:
    """What became of its objects."""
    return [CallResult(**_known(CallResult, each)) for each in document["results"]]


def conversation(document: Document) -> ConversationState:
    """How a conversation stands."""
    missing = document["missing"]
    return ConversationState(**_known(ConversationState, document) | {"missing": None if missing is None else tuple(missing)})


def results_page(document: Document, *, base: str) -> tuple[list[CallResult], str | None]:
    """Results of a conversation, and where the next ones begin; None behind the last.

    Raises:
        Unavailable: it lacks what it should have.
    """

    def read_page(said: Document) -> tuple[list[CallResult], str | None]:
        return call_results({"results": said["data"]}), said.get("next_cursor")

    return value(document, read_page, base=base)


def _known(kind: type[Any], document: Document) -> dict[str, Any]:
    """What the value has room for: a newer server may say more."""
    found = {each.name: document[each.name] for each in fields(kind) if each.name in document}
    return {name: datetime.fromisoformat(said) if name.endswith(_MOMENTS) and said else said for name, said in found.items()}


def _error(answer: Answer, base: str, naming: _Naming) -> MailqError:
    problem, status = _problem(answer), answer.status
    detail = str(problem.get("detail") or f"{base} answers {status}")[:_LONGEST_DETAIL]
    if 300 <= status < 400:
        return Misconfigured(f"{base} redirects to {_where(answer)}; if that is mailq, give that address")
    if status in {401, 403}:
        kind = Forbidden if status == 403 else Misconfigured
        return kind(f"{base} refuses this API key: {detail}")
    if problem and status in _BAD_INPUT:
        return _bad_input(problem, detail, naming)
    if problem and status == 409:
        return Conflict(detail, field=naming(_first_fault(problem)))
    if problem and status == 404:
        return NotFound(detail)
    other = Misconfigured if status < 500 else Unavailable
    return other(f"{base} answers {status}" + (f": {detail}" if problem else ", and not as mailq does; is it its address?"))


def _bad_input(problem: Document, detail: str, naming: _Naming) -> BadInput:
    first = _first_fault(problem)
    field, said = naming(first), str(first.get("detail", ""))[:_LONGEST_DETAIL]
    if said and said not in detail:
        detail = f"{detail}: {field}: {said}" if field else f"{detail}: {said}"
    return BadInput(detail, field=field)


def _first_fault(problem: Document) -> Document:
    faults = problem.get("errors")
    return faults[0] if isinstance(faults, list) and faults and isinstance(faults[0], dict) else {}


def _pointer(fault: Document) -> str | None:
    """The pointer as it is; of the whole body what every door calls it."""
    if "header" in fault and str(fault["header"]).lower() == "idempotency-key":
        return "/key"
    return _field(fault) if "pointer" not in fault else str(fault["pointer"]).removeprefix("#") or "content"


def _field(fault: Document) -> str | None:
    """The name that every door has for what a problem points at."""
    if "line" in fault:
        return "recipients"
    if "header" in fault:
        return "key" if str(fault["header"]).lower() == "idempotency-key" else str(fault["header"])
    if "parameter" in fault:
        return str(fault["parameter"])
    if "pointer" not in fault:
        return None
    steps = [step.replace("~1", "/").replace("~0", "~") for step in str(fault["pointer"]).removeprefix("#").split("/")[1:]]
    if not steps:
        return "content"
    return f"header {steps[1]}" if steps[0] == "headers" and len(steps) > 1 else steps[0]


def _problem(answer: Answer) -> Document:
    if "problem+json" not in answer.headers.get("content-type", ""):
        return {}
    return _json(answer) or {}


def _json(answer: Answer) -> Document | None:
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _away(answer: Answer, base: str) -> str:
    detail = str(_problem(answer).get("detail") or "")[:_LONGEST_DETAIL]
    return f"{base} is not available: it answers {answer.status}" + (f", {detail}" if detail else "")


def _retry_after(answer: Answer) -> float | None:
    """In seconds; a date, which proxies may send, is not worth a clock of theirs and ours."""
    said = answer.headers.get("retry-after", "")
    return float(said) if said.isdigit() and len(said) < 7 else None


def _where(answer: Answer) -> str:
    parts = urlsplit(answer.headers.get("location", ""))
    return f"{parts.scheme}://{parts.hostname}{parts.path}"[:200] if parts.hostname else "somewhere else"
