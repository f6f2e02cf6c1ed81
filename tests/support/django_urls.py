"""The pages of the project in `django_project`."""

from django.contrib import admin
from django.contrib.auth import urls
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from mailq.client import Message
from mailq.contrib.django import send


def hello(request: HttpRequest) -> HttpResponse:
    """A view that calls mailq itself, and handles no error."""
    return HttpResponse(send(Message(request.GET["to"], "Hello", "shop@mailq.example", "Dear you,\n")).id)


urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include(urls)),
    path("hello/", hello),
]
