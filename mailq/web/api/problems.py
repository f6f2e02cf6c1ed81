"""Problems (RFC 9457): what every answer is that is no success, whoever found the fault. Nothing that was sent is repeated in one."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from mailq import telemetry
from mailq.errors import BadInput, Conflict, MailqError, NotFound, Unavailable

log = telemetry.logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
"""When to ask again while a service is away."""

CLIENT_LEFT = 499
"""What the log says of a client that left before it was answered; nobody ever receives it."""

Fault = Mapping[str, str | int]
"""One thing that is wrong: where (`pointer` into the body, `parameter`, `header` or `line`), and `detail`."""

_WORDS = {413: "Content Too Large", 422: "Unprocessable Content"}  # as RFC 9110 has them; Python's are older


class Problem(Exception):
    """A request that cannot be answered as it was meant.

    Args:
        detail: one sentence for whoever wrote the client.
        errors: what is wrong, and where.
    """

    def __init__(
        self, status: int, detail: str, *, errors: Sequence[Fault] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """The document."""
        document: dict[str, Any] = {
            "type": kind(self.status),
            "title": title(self.status),
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            document["errors"] = [dict(each) for each in self.errors]
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()

    def response(self) -> Response:
        """The answer."""
        return Response(self.body(), self.status, self.headers, media_type=MEDIA_TYPE)


def title(status: int) -> str:
    """What a status is called."""
    return _WORDS.get(status) or HTTPStatus(status).phrase


def kind(status: int) -> str:
    """The URI that names a kind of problem: a name, not an address."""
    return f"urn:mailq:problem:{title(status).lower().replace(' ', '-')}"


def unfit(detail: str, *errors: Fault) -> Problem:
    """What was sent can be read, but not be done."""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors)


def pointer(*steps: str | int) -> str:
    """A JSON pointer (RFC 6901) into the body, as a URI fragment."""
    return "#" + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def of_error(error: MailqError, *, bodiless: bool = False) -> Problem:
    """What the engine has refused, as a problem. Addresses of services inside are for the log alone.

    Args:
        bodiless: whether the request had no body, so that what is at fault is a parameter.
    """
    match error:
        case BadInput(field=field):
            return unfit(str(error), *_faults(error, field, bodiless=bodiless))
        case NotFound():
            return Problem(HTTPStatus.NOT_FOUND, str(error))
        case Conflict(field=field):
            return Problem(HTTPStatus.CONFLICT, str(error), errors=_faults(error, field, bodiless=bodiless))
        case Unavailable():
            log.warning("http.unavailable", reason=str(error))
            return away()
        case _:
            log.error("http.failed", reason=str(error))
            return failed()


def away() -> Problem:
    """A service that we need does not answer."""
    detail = "a service that is needed does not answer; nothing was changed or it is not known: ask again, with the same Idempotency-Key"
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def failed() -> Problem:
    """We are at fault; the log says how."""
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "this is a fault of mailq; its log has more under this X-Request-ID")


def install(app: FastAPI) -> None:
    """Have every error answered as a problem, the framework's own too."""
    app.add_exception_handler(Problem, _say)
    app.add_exception_handler(MailqError, _say_error)
    app.add_exception_handler(HTTPException, _say_http)
    app.add_exception_handler(RequestValidationError, _say_invalid)
    app.add_exception_handler(ClientDisconnect, _say_nothing)


async def _say(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _say_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, MailqError)
    return of_error(error, bodiless=request.method in {"GET", "DELETE"}).response()


async def _say_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            problem = Problem(404, "there is nothing at this address")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            problem = Problem(405, "this address does not take that method", headers={"Allow": _allowed(request)})
        case status:
            problem = Problem(status, error.detail, headers=error.headers)
    return problem.response()


def _allowed(request: Request) -> str:
    """The methods of an address; the framework names those of one route alone."""
    routes: Sequence[APIRoute] = request.app.state.routes
    return ", ".join(
        sorted({verb for each in routes if each.path_regex.match(request.scope["path"]) for verb in each.methods or ()})
    )


async def _say_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return unfit("a parameter is not as it should be", *map(_parameter_fault, error.errors())).response()


async def _say_nothing(_: Request, __: Exception) -> Response:
    return Response(status_code=CLIENT_LEFT)


def _parameter_fault(error: Mapping[str, Any]) -> Fault:
    place, name = (*error["loc"], "")[:2]
    return {"header" if place == "header" else "parameter": str(name), "detail": str(error["msg"]).removeprefix("Value error, ")}


def _faults(error: MailqError, field: str | None, *, bodiless: bool) -> list[Fault]:
    if field is None:
        return []
    place = {"parameter": field} if bodiless else {"pointer": _pointer_of(field)}
    return [{**place, "detail": str(error)}]


def _pointer_of(field: str) -> str:
    if field == "content":
        return "#"
    if field.startswith("/"):
        return "#" + field
    head, _, name = field.partition(" ")
    return pointer("headers", name) if head == "header" and name else pointer(field)
