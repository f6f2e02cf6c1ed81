"""Worker servers as nodes of pytest-celery."""

from tests.support.nodes.fixtures import *  # noqa: F403
