"""What calls have made beside mailings and messages: subscribers and lists of recipients, by the producer's own keys."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BeforeValidator

from mailq.admin.keys import Scope
from mailq.errors import NotFound
from mailq.store import recipient_lists, subscribers
from mailq.web.api.call_views import RecipientListView, SubscriberView
from mailq.web.api.operations import operation
from mailq.web.api.parts import InParts, Reader
from mailq.web.api.paths import decoded

router = APIRouter(tags=["subscribers"])

CustomerKey = Annotated[
    str,
    Path(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="your own key for it, percent-encoded",
        examples=["customer-4711"],
    ),
    BeforeValidator(decoded),
]


@router.get("/v1/subscribers/{customer_key}", **operation("get_subscriber", scope=Scope.READ, refuses=(404,)))
def show_subscriber(caller: Reader, parts: InParts, customer_key: CustomerKey) -> SubscriberView:
    """A subscriber, as calls have made it."""
    with parts.database.begin() as tx:
        found = subscribers.by_key(tx, caller.organization_id, customer_key)
    if found is None:
        raise NotFound(f"there is no subscriber `{customer_key}`")
    return SubscriberView(**{name: getattr(found, name) for name in SubscriberView.model_fields})


@router.get("/v1/recipient-lists/{customer_key}", **operation("get_recipient_list", scope=Scope.READ, refuses=(404,)))
def show_list(caller: Reader, parts: InParts, customer_key: CustomerKey) -> RecipientListView:
    """A list of recipients, as calls have made it, and how many are on it."""
    with parts.database.begin() as tx:
        found = recipient_lists.by_key(tx, caller.organization_id, customer_key)
        num_members = 0 if found is None else recipient_lists.num_members(tx, found.id)
    if found is None:
        raise NotFound(f"there is no recipient list `{customer_key}`")
    named = ("customer_key", "name", "created_at", "updated_at")
    return RecipientListView(num_members=num_members, **{name: getattr(found, name) for name in named})
