"""What mailq refuses, as an answer of Flask's."""

from flask import Response, current_app

from mailq.contrib import answers
from mailq.errors import MailqError


def answer(error: MailqError) -> Response:
    """The status that says what happened, and a sentence."""
    status = answers.status_of(error)
    if status >= 500:
        current_app.logger.error("mailq: %s", error)
    return Response(answers.detail_of(error), status, answers.headers_of(error), mimetype="text/plain")
