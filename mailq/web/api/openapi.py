"""The specification: what the framework gathers from the routes, with our bodies, problems and keys put in."""

import json
import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from mailq.web.api import call_schemas
from mailq.web.api.call_schemas import REFERENCES
from mailq.web.api.operations import SECURITY, ProblemView, bodies

TITLE = "mailq"
VERSION = "1"
_ABOUT = """Mailings (one content for many recipients) and single messages, and what became of every one of them. Calls are methods on
objects that are received at once, also in maintenance, and run later, each once; conversations are calls that run in sequence.

Every request but those for health carries a key: `Authorization: Bearer mq_…`. Every error is a problem (RFC 9457). Moments have a time
zone. Within `/v1` fields and operations are added, and none is taken away: read what you know, and leave the rest.
"""
_KEYS = (
    "A key of one organization, made by `mailqctl key create`. Scopes: `send` makes, fills and steers mailings, sends messages and "
    "calls, and adds suppressions; `read` looks at everything of the organization; `admin` may do all, and alone sees servers, settles "
    "doubts and changes or removes suppressions. A revoked key is refused within 5 seconds."
)
TAGS = [
    {"name": "mailings", "description": "One content for many recipients."},
    {"name": "messages", "description": "One message for one recipient, sent at once."},
    {"name": "calls", "description": "Methods on objects, received at once and run later, once, with their results."},
    {"name": "conversations", "description": "Calls that run strictly in sequence once all are there, and never twice."},
    {"name": "subscribers", "description": "Addresses with attributes, and lists of them; made and changed by calls."},
    {"name": "recipients", "description": "What one address got."},
    {"name": "suppressions", "description": "Addresses that are not mailed."},
    {"name": "operations", "description": "How the installation stands."},
    {"name": "health", "description": "For load balancers; no key is needed."},
]


def specification(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=TITLE,
            version=VERSION,
            openapi_version="3.1.0",
            summary="A bulk mailer that keeps books.",
            description=_ABOUT,
            routes=app.routes,
            tags=TAGS,
        )
        document["components"] = _components(document.get("components", {}))
        app.openapi_schema = _named(document)
    return app.openapi_schema


def _named(document: dict[str, Any]) -> dict[str, Any]:
    """The framework calls enums of one name by their modules; we call them by what they are of."""
    text = re.sub(r"mailq__core__(\w+?)__State", lambda found: f"{found[1].capitalize()}State", json.dumps(document))
    named: dict[str, Any] = json.loads(text)
    return named


def _components(found: dict[str, Any]) -> dict[str, Any]:
    _, taken = models_json_schema([(each, "validation") for each in bodies()], ref_template=REFERENCES)
    _, problem = models_json_schema([(ProblemView, "validation")], ref_template=REFERENCES)
    ours = dict(problem["$defs"])
    ours["Problem"] = ours.pop("ProblemView")
    schemas = {**found.get("schemas", {}), **taken.get("$defs", {}), **call_schemas.components(), **ours}
    scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "mq_…", "description": _KEYS}
    return {"schemas": dict(sorted(schemas.items())), "securitySchemes": {SECURITY: scheme}}
