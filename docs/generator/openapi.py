"""`openapi.json`: the HTTP API as programs read it, from the routes in `mailq/web/api`."""

import json

from mailq.settings import Settings
from mailq.web.api import openapi
from mailq.web.api.app import create


def page() -> str:
    """The specification."""
    app = create(Settings(database_url="postgresql://nobody@127.0.0.1/nothing"))
    return json.dumps(openapi.specification(app), indent=2, ensure_ascii=False) + "\n"
