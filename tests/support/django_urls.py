"""The pages of the project in `django_project`."""

from django.contrib import admin
from django.contrib.auth import urls
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("accounts/", include(urls))]
