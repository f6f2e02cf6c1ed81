"""mailq for Django: an e-mail backend, mailings in your own transaction, admin pages, checks and commands.

    EMAIL_BACKEND = "mailq.contrib.django.EmailBackend"
    INSTALLED_APPS += ["mailq.contrib.django"]

This package is imported while Django loads its apps, so it imports no models.
"""

from mailq.contrib.django.backend import EmailBackend
from mailq.contrib.django.middleware import AnswerErrors
from mailq.contrib.django.sending import client, send, submit

__all__ = ["AnswerErrors", "EmailBackend", "client", "send", "submit"]
