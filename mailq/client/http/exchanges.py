"""What takes more than one request, told without a connection: a request goes out, and its document comes in.

Where recipients are wanted `NEXT` goes out, and a chunk of them comes in; None when there are no more.
"""

from collections.abc import Generator
from enum import Enum
from typing import Any, Final, TypeVar

from mailq.client.cutting import Chunk, Size
from mailq.client.http import requests
from mailq.client.http.requests import Request
from mailq.client.values import Mailing, ReadyMailing, Submitted
from mailq.errors import BadInput, Conflict

UPLOAD = Size(num_recipients=5000, num_bytes=2_000_000)
"""Part of what the API is told: whoever says a mailing again must cut it as before, or the keys of its uploads are those of others."""

Result = TypeVar("Result")


class Wanted(Enum):
    """What goes out beside requests."""

    NEXT_CHUNK = "next chunk"


NEXT: Final = Wanted.NEXT_CHUNK


Exchange = Generator[Request | Wanted, Any, Result]


def submit(mailing: Mailing | ReadyMailing) -> Exchange[Submitted]:
    """Make a mailing, upload its recipients chunk by chunk, and start it.

    Whatever is cut off on the way, the mailing is never sent without all its recipients; said again under the same key, it goes on.

    Raises:
        BadInput: there are no recipients.
        Conflict: the key belongs to a mailing with other recipients.
    """
    key = mailing.key or requests.made_up_key()
    chunk: Chunk | None = yield NEXT
    if chunk is None:
        raise BadInput("the mailing has no recipients", field="recipients")
    made = yield requests.create(mailing, key)
    mailing_id, num_profiles, num_skipped, number = made["id"], 0, 0, 0
    while chunk is not None:
        number += 1
        answer = yield requests.upload(mailing_id, chunk.lines, requests.key_of_upload(key, number))
        num_profiles += answer["num_recipients"]
        num_skipped += answer["num_invalid"]
        chunk = yield NEXT
    if made["num_profiles"]:
        yield from _require_no_others(mailing_id, num_profiles)
    yield requests.steer(mailing_id, "start")
    # Under a key that was made up it is ours, though we may have had to ask twice.
    return Submitted(mailing_id, made["created"] or mailing.key is None, num_profiles, num_skipped)


def _require_no_others(mailing_id: str, num_profiles: int) -> Exchange[None]:
    """An earlier submit of this key may have uploaded more than this one has."""
    found = yield requests.progress(mailing_id)
    if found["num_profiles"] != num_profiles:
        raise Conflict(
            f"the key belongs to mailing {mailing_id}, which has {found['num_profiles']:,} recipients instead of {num_profiles:,}; "
            "give this one a key of its own"
        )
