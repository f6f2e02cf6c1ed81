"""Calls, as the specification describes them: what the engine holds each object to, by method and type."""

from typing import Any

from pydantic.json_schema import models_json_schema

from mailq.core.call import Method
from mailq.engine.calls.kind import Kind
from mailq.engine.calls.kinds import KINDS
from mailq.engine.calls.order import MOST_OBJECTS
from mailq.web.api.call_given import CallOptions
from mailq.web.api.operations import Takes

Schema = dict[str, Any]

REFERENCES = "#/components/schemas/{model}"
_ABOUT = (
    "A method, and the objects that it is for. The same call sent again, under the same key or in the same place of a conversation, is "
    "the call that was received then."
)
_DOES = {
    Method.CREATE: "Make what is not there yet.",
    Method.UPDATE: "Change what is there.",
    Method.DELETE: "Take away what is there.",
    Method.PERFORM: "Do something with what is there.",
}
_KEY: Schema = {
    "anyOf": [{"type": "string", "minLength": 1, "maxLength": 200}, {"type": "null"}],
    "description": "your own name for the call, as in the header Idempotency-Key",
}
_EXAMPLES = {
    "A subscriber, now": {
        "method": "create",
        "objects": [
            {"type": "subscriber", "customer_key": "customer-4711", "address": "ann@example.org", "attributes": {"name": "Ann"}}
        ],
        "options": {"request_type": "synchronous"},
    },
    "A message, tonight": {
        "method": "create",
        "objects": [
            {
                "type": "message",
                "correlation_id": "1",
                "to": "ann@example.org",
                "sender": "The Shop <shop@example.org>",
                "subject": "Your order 4711",
                "text": "Thank you for your order.",
            }
        ],
        "options": {"scheduled_time": "2199-12-24T18:00:00+01:00", "priority": "high"},
        "key": "thanks-4711",
    },
    "The second part of a conversation": {
        "method": "perform",
        "objects": [{"type": "mailing", "customer_key": "spring-sale", "action": "start"}],
        "options": {"conversation_id": "spring sale", "sequence_code": 2, "calls_in_conversation": 2},
    },
}


TAKES = Takes(
    {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/Call"},
            "examples": {name: {"value": said} for name, said in _EXAMPLES.items()},
        }
    }
)


def components() -> dict[str, Schema]:
    """The schemas of calls, by their names; `Call` is all of them."""
    _, options = models_json_schema([(CallOptions, "validation")], ref_template=REFERENCES)
    known: dict[str, Schema] = dict(options["$defs"])
    for method in Method:
        kinds = [kind for kind in KINDS.values() if method in kind.records]
        known |= {_name(method, kind): _object(method, kind) for kind in kinds}
        known[f"{method.capitalize()}Call"] = _call(method, kinds)
    by_method = {str(method): _reference(f"{method.capitalize()}Call") for method in Method}
    known["Call"] = {"description": _ABOUT} | _one_of("method", by_method)
    return known


def _call(method: Method, kinds: list[Kind]) -> Schema:
    by_type = {kind.name: _reference(_name(method, kind)) for kind in kinds}
    objects = {"type": "array", "minItems": 1, "maxItems": MOST_OBJECTS, "items": _one_of("type", by_type)}
    return {
        "type": "object",
        "description": _DOES[method],
        "required": ["method", "objects"],
        "additionalProperties": False,
        "properties": {
            "method": {"type": "string", "enum": [str(method)]},
            "objects": objects
            | {"description": "each done or refused by itself, in this order; one that is refused undoes no other"},
            "options": _reference("CallOptions"),
            "key": _KEY,
        },
    }


def _object(method: Method, kind: Kind) -> Schema:
    said = kind.records[method].schema()
    about = f"{kind.help} {said.get('description', '')}".strip()
    needs = " Needs a key with the scope `admin`." if method in kind.guarded else ""
    return said | {"description": about + needs}


def _one_of(name: str, known: dict[str, Schema]) -> Schema:
    mapping = {value: reference["$ref"] for value, reference in known.items()}
    return {"oneOf": list(known.values()), "discriminator": {"propertyName": name, "mapping": mapping}}


def _name(method: Method, kind: Kind) -> str:
    return method.capitalize() + "".join(word.capitalize() for word in kind.name.split("_"))


def _reference(name: str) -> Schema:
    return {"$ref": REFERENCES.format(model=name)}
