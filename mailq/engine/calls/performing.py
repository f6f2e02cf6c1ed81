"""What a call says is done to its objects, each within a savepoint: what went well stays although another one was refused."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from mailq import telemetry
from mailq.core.call import Method
from mailq.core.call_result import CallResult, Status
from mailq.engine.calls.kind import Done, Kind, Means
from mailq.engine.calls.kinds import KINDS
from mailq.errors import BadInput, Conflict, MailqError, Unavailable
from mailq.store import faults

log = telemetry.logger(__name__)

FAULT = "a fault of mailq; its log has more"


def perform(
    tx: Connection,
    means: Means,
    method: Method,
    objects: Sequence[Mapping[str, Any]],
    *,
    request_id: str,
    kinds: Mapping[str, Kind] = KINDS,
) -> list[CallResult]:
    """Do what a method says to objects, in their order; the result of each.

    Raises:
        Unavailable: the transaction cannot go on; nothing was done.
        SQLAlchemyError: the same, as the database says it.
    """
    return [
        _perform(tx, means, method, given, ordinal, request_id=request_id, kinds=kinds)
        for ordinal, given in enumerate(objects, start=1)
    ]


def refused_for_a_fault(objects: Sequence[Mapping[str, Any]]) -> list[CallResult]:
    """The results of a call with which no transaction can be committed."""
    return [_result(ordinal, given, Status.ERROR, FAULT) for ordinal, given in enumerate(objects, start=1)]


def _perform(
    tx: Connection,
    means: Means,
    method: Method,
    given: Mapping[str, Any],
    ordinal: int,
    *,
    request_id: str,
    kinds: Mapping[str, Kind],
) -> CallResult:
    savepoint = tx.begin_nested()
    try:
        done = _deed(kinds, method, given)(tx, means, given)
    except Unavailable:
        raise
    except MailqError as error:
        savepoint.rollback()
        return _result(ordinal, given, Status.ERROR, str(error), pointer=_pointer(ordinal, error))
    except Exception as error:
        if faults.ends_transaction(error):
            raise
        savepoint.rollback()
        log.exception("call.fault", request_id=request_id, ordinal=ordinal, object_type=given.get("type"))
        return _result(ordinal, given, Status.ERROR, FAULT)
    savepoint.commit()
    return _result(ordinal, given, Status.OK, done.message, done=done)


def _deed(kinds: Mapping[str, Kind], method: Method, given: Mapping[str, Any]) -> Any:
    kind = kinds.get(str(given.get("type")))
    # Another release may have accepted it.
    if kind is None or method not in kind.deeds:
        raise BadInput(f"this version knows no {method} of a {given.get('type')}", field="/type")
    return kind.deeds[method]


def _pointer(ordinal: int, error: MailqError) -> str:
    field = (error.field or "") if isinstance(error, BadInput | Conflict) else ""
    return f"/objects/{ordinal - 1}" + (field if field.startswith("/") else "")


def _result(
    ordinal: int,
    given: Mapping[str, Any],
    status: Status,
    message: str,
    *,
    pointer: str | None = None,
    done: Done | None = None,
) -> CallResult:
    return CallResult(
        ordinal=ordinal,
        status=status,
        object_type=str(given.get("type")),
        message=message.replace("\0", "\N{REPLACEMENT CHARACTER}"),
        customer_key=_text(given.get("customer_key")),
        correlation_id=_text(given.get("correlation_id")),
        object_id=None if done is None else done.object_id,
        pointer=pointer,
        details={} if done is None else dict(done.details),
    )


def _text(said: object) -> str | None:
    return said if isinstance(said, str) else None
