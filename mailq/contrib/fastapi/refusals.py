"""What mailq refuses, as an answer of FastAPI's."""

import logging

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from mailq.contrib import answers
from mailq.errors import MailqError

log = logging.getLogger(__name__)


def answer_errors(app: FastAPI) -> None:
    """Answer refusals with their status (422, 404, 409, 503) and a problem of RFC 9457, where no endpoint handles them."""
    app.add_exception_handler(MailqError, _answer)


async def _answer(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, MailqError):
        raise error
    told = answers.problem(error)
    if told["status"] >= 500:
        log.error("mailq: %s", error)
    return JSONResponse(told, told["status"], answers.headers_of(error), media_type="application/problem+json")
