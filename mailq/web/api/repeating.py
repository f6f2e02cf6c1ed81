"""Requests that may come twice: the Idempotency-Key, as draft-ietf-httpapi-idempotency-key-header has it or without its quotes."""

from typing import Annotated

from fastapi import Depends, Request

from mailq.web.api.problems import Problem, unfit

HEADER = "Idempotency-Key"
LONGEST = 200

DESCRIPTION = (
    "Your own name for this request, 1 to 200 printable ASCII characters, quoted or bare: sent again, the same request is done once and "
    "answered again; another one under the same key is a conflict. It is the `key` of what is made, and valid as long as that is kept."
)


def given_key(request: Request) -> str | None:
    """The key in the header.

    Raises:
        Problem: it is none.
    """
    values = request.headers.getlist(HEADER)
    if not values:
        return None
    key = values[0].strip(" \t")
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if len(values) > 1 or not (1 <= len(key) <= LONGEST and key.isascii() and key.isprintable() and key.strip()):
        raise Problem(
            422,
            "the Idempotency-Key is not as it should be",
            errors=[{"header": HEADER, "detail": f"is one key, 1 to {LONGEST} printable ASCII characters"}],
        )
    return key


async def _given_key(request: Request) -> str | None:
    return given_key(request)


Key = Annotated[str | None, Depends(_given_key)]


def one_key(header: str | None, body: str | None) -> str | None:
    """The key of what is made, which may be said in the header, in the body, or alike in both.

    Raises:
        Problem: the two differ.
    """
    if header is not None and body is not None and header != body:
        raise unfit(
            "the Idempotency-Key and the `key` of the body differ; say one of them",
            {"header": HEADER, "detail": "differs from `key`"},
        )
    return header if header is not None else body
