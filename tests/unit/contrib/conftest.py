"""Django is set up before the tests are read."""

from tests.support import django_project

django_project.configure()
