"""For projects whose views call mailq themselves: its refusals as answers instead of a page of status 500."""

import logging
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from mailq.contrib import answers
from mailq.errors import MailqError

log = logging.getLogger(__name__)


class AnswerErrors:
    """Bad input is answered with 422, what contradicts with 409, what is not there with 404, and 503 while mailq cannot be reached.

    MIDDLEWARE += ["mailq.contrib.django.AnswerErrors"]
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, _request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Called by Django after the view's transaction is rolled back."""
        if not isinstance(error, MailqError):
            return None
        if (status := answers.status_of(error)) >= 500:
            log.error("mailq: %s", error)
        headers = answers.headers_of(error)
        return HttpResponse(answers.detail_of(error), status=status, content_type="text/plain", headers=headers)
