"""Django is set up once."""

import pytest

from tests.support import django_project


@pytest.fixture(autouse=True)
def _django() -> None:
    django_project.configure()
