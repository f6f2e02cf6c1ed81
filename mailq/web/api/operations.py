"""How operations are described: what each takes, gives and refuses, and which scope it needs, said once and read by the framework."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from mailq.admin.keys import Scope
from mailq.web.api import repeating
from mailq.web.api.problems import MEDIA_TYPE, title

SECURITY = "key"
_BODIES: dict[str, type[BaseModel]] = {}

_ALWAYS = (400, 401, 403, 422, 429, 500, 503)
_WITH_BODY = (408, 413, 415)
_MEANINGS = {
    400: "It cannot be read: no HTTP, no JSON, no UTF-8.",
    401: "No key, or one that is good for nothing.",
    403: "The key has not the scope that is needed.",
    404: "There is no such thing, or it is another organization's.",
    408: "The body came too slowly.",
    409: "It contradicts what is there: a key used for something else, a step that the state does not allow.",
    413: "The body is too large.",
    415: "The body is of another media type, or packed.",
    422: "It can be read, but not be done; `errors` says where the fault is.",
    429: "The key has made too many requests; ask again after `Retry-After` seconds.",
    500: "A fault of mailq. Its log has more under the `X-Request-ID`.",
    503: "A service that mailq needs does not answer; ask again, with the same Idempotency-Key.",
}
_HEADERS = {
    401: {"WWW-Authenticate": "How to present a key (RFC 6750)."},
    403: {"WWW-Authenticate": "Which scope is needed (RFC 6750)."},
    429: {"Retry-After": "Seconds."},
    503: {"Retry-After": "Seconds."},
}


class Where(BaseModel):
    """One thing that is wrong; one of the first four says where."""

    model_config = ConfigDict(extra="allow")

    pointer: str | None = Field(None, description="JSON pointer into the body, as a URI fragment", examples=["#/headers/List-Id"])
    parameter: str | None = Field(None, description="name of a parameter of the path or query")
    header: str | None = Field(None, description="name of a header")
    line: int | None = Field(None, description="line of an upload, from 1")
    detail: str


class ProblemView(BaseModel):
    """A problem (RFC 9457)."""

    model_config = ConfigDict(
        title="Problem",
        json_schema_extra={
            "example": {
                "type": "urn:mailq:problem:unprocessable-content",
                "title": "Unprocessable Content",
                "status": 422,
                "detail": "subject: must be one line",
                "errors": [{"pointer": "#/subject", "detail": "subject: must be one line"}],
            }
        },
    )

    type: str
    title: str
    status: int
    detail: str
    errors: list[Where] = Field(default_factory=list)


class Takes(NamedTuple):
    """A body: its media types with their schemas or models."""

    content: Mapping[str, type[BaseModel] | Mapping[str, Any]]
    description: str = ""


def operation(
    name: str,
    *,
    scope: Scope | None,
    takes: Takes | type[BaseModel] | None = None,
    repeatable: bool = False,
    refuses: tuple[int, ...] = (),
    answers: Mapping[int, Mapping[str, Any]] | None = None,
    status: int = 200,
) -> dict[str, Any]:
    """What a route says about itself, for the framework's decorator.

    Args:
        name: the operation's id, for those who generate clients.
        scope: what a key must allow; None where no key is needed.
        repeatable: whether it takes an Idempotency-Key.
        refuses: statuses of problems beyond those that every operation has.
        answers: further good answers, or more about the ordinary one.
    """
    always = _ALWAYS if scope else (400, 500, 503)
    refused = sorted({*always, *refuses, *(_WITH_BODY if takes is not None else ())})
    extra: dict[str, Any] = {"security": [{SECURITY: [str(scope)]}] if scope else []}
    if takes is not None:
        extra["requestBody"] = _body(takes if isinstance(takes, Takes) else Takes({"application/json": takes}))
    if repeatable:
        extra["parameters"] = [_key_parameter()]
    return {
        "operation_id": name,
        "status_code": status,
        "responses": {**{each: _problem(each) for each in refused}, **(answers or {})},
        "openapi_extra": extra,
    }


def bodies() -> list[type[BaseModel]]:
    """The models of all bodies that operations take."""
    return [_BODIES[name] for name in sorted(_BODIES)]


def _body(takes: Takes) -> dict[str, Any]:
    content = {}
    for media_type, schema in takes.content.items():
        if isinstance(schema, Mapping):
            content[media_type] = dict(schema)
            continue
        _BODIES[schema.__name__] = schema
        content[media_type] = {"schema": {"$ref": f"#/components/schemas/{schema.__name__}"}}
    described = {"description": takes.description} if takes.description else {}
    return {"required": True, "content": content, **described}


def _problem(status: int) -> dict[str, Any]:
    headers = {name: {"description": meaning, "schema": {"type": "string"}} for name, meaning in _HEADERS.get(status, {}).items()}
    return {
        "description": f"{title(status)}. {_MEANINGS[status]}",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        **({"headers": headers} if headers else {}),
    }


def _key_parameter() -> dict[str, Any]:
    return {
        "name": repeating.HEADER,
        "in": "header",
        "required": False,
        "description": repeating.DESCRIPTION,
        "schema": {"type": "string", "minLength": 1, "maxLength": repeating.LONGEST, "pattern": "^[!-~]([ -~]*[!-~])?$"},
        "example": "spring-sale-2026",
    }
