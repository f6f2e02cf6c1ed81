"""What a client says of a mailing, as the engine takes it: an order, and a source of recipients."""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from typing import BinaryIO, cast

from mailq.core.mailing import DoubtPolicy, Lane
from mailq.core.message import ReadyMade, read_content
from mailq.engine.intake import Source, read_file
from mailq.engine.intake.order import MailingOrder
from mailq.errors import BadInput
from mailq.web.api.bodies import require_storable
from mailq.web.api.given import MailingIn, RecipientIn
from mailq.web.api.parts import Parts
from mailq.web.api.problems import pointer, unfit

ADDRESS = "address"
"""What the address of a recipient is called in JSON."""

_MADE_OF = ("subject", "sender", "text", "html", "reply_to", "to_name", "headers")


def order(mailing: MailingIn, *, key: str | None, organization: str, parts: Parts) -> MailingOrder:
    """The order.

    Raises:
        BadInput: a part, the name or a time is at fault.
        Problem: a part is said that a ready-made mailing has not.
    """
    said = {name: getattr(mailing, name) for name in _MADE_OF}
    if mailing.ready_made:
        for name, value in said.items():
            if value:
                detail = "is said, and the recipients bring messages of their own"
                raise unfit(f"{name}: {detail}", {"pointer": pointer(name), "detail": detail})
    return MailingOrder(
        name=mailing.name,
        content=ReadyMade() if mailing.ready_made else read_content(said),
        key=key,
        lane=Lane(mailing.lane),
        doubt_policy=DoubtPolicy(mailing.doubt_policy) if mailing.doubt_policy else parts.doubt_policy,
        batch_size=parts.batch_size,
        scheduled_at=mailing.scheduled_at,
        expires_at=mailing.expires_at,
        organization=organization,
        repeats=mailing.repeats,
    )


def source(recipients: Sequence[RecipientIn]) -> Source:
    """Recipients as a source. Whoever has no address is one of them, and counted.

    Raises:
        Problem: a value is none that can be kept, or hides the address.
    """
    file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - closed by the source
    for place, each in enumerate(recipients):
        require_storable(each.variables, "recipients", place, "variables")
        if ADDRESS in each.variables:
            detail = "is no name for a variable: it is the recipient's address"
            raise unfit(
                f"`{ADDRESS}` {detail}", {"pointer": pointer("recipients", place, "variables", ADDRESS), "detail": detail}
            )
        file.write(json.dumps({ADDRESS: each.address, **each.variables}).encode() + b"\n")
    try:
        return read_file(file, "the body", suffix=".jsonl", address_column=ADDRESS)
    except BadInput as error:
        error.field = error.field or "recipients"
        raise


def digest(order: MailingOrder, source: Source | None, *, start: bool) -> str:
    """SHA-256 over all that was said."""
    said = [order.digest(), None if source is None else source.digest, start]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
