"""What a web app answers where mailq refuses: the status, and words for whoever asked."""

from typing import Any

from mailq.errors import BadInput, Conflict, MailqError, NotFound, Unavailable

RETRY_AFTER_S = 5
_STATUS: dict[type[MailqError], int] = {NotFound: 404, Conflict: 409, BadInput: 422, Unavailable: 503}
_TITLES = {
    404: "Not Found",
    409: "Conflict",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_OURS = {500: "mail is not set up as it should be", 503: "mail cannot be taken at the moment; try again"}


def status_of(error: MailqError) -> int:
    """The HTTP status that says what happened."""
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)


def detail_of(error: MailqError) -> str:
    """A sentence for whoever asked. What is wrong on our side goes to the log: it may name servers."""
    return _OURS.get(status_of(error)) or str(error)


def headers_of(error: MailqError) -> dict[str, str]:
    """What else the answer says."""
    return {"Retry-After": str(RETRY_AFTER_S)} if status_of(error) == 503 else {}


def problem(error: MailqError) -> dict[str, Any]:
    """The same as a problem of RFC 9457."""
    status, detail = status_of(error), detail_of(error)
    told: dict[str, Any] = {"type": "about:blank", "title": _TITLES[status], "status": status, "detail": detail}
    if isinstance(error, BadInput) and error.field is not None:
        told["errors"] = [{"detail": detail, "field": error.field}]
    return told
