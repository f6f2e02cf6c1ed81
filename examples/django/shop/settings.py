"""What a project needs for mailq stands first; the rest is what `startproject` writes, shortened."""

import os
import sys
from urllib.parse import urlsplit

INSTALLED_APPS = [
    "mailq.contrib.django",
    "shop",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]
MAILQ = {"DATABASE": "default"}  # mailq's tables are in the shop's own database: mail commits with the shop's data
EMAIL_BACKEND = "mailq.contrib.django.EmailBackend"
DEFAULT_FROM_EMAIL = SERVER_EMAIL = "Shop <shop@mailq.example>"

_url = urlsplit(os.environ.get("DATABASE_URL") or sys.exit("set DATABASE_URL; ./run up --with-worker starts a stack"))
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _url.path[1:],
        "USER": _url.username,
        "PASSWORD": _url.password,
        "HOST": _url.hostname,
        "PORT": _url.port,
    }
}

SECRET_KEY = os.environ.get("SECRET_KEY", "an example has no secrets")
DEBUG = True
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "shop.urls"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "mailq.contrib.django.AnswerErrors",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "static/"
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
