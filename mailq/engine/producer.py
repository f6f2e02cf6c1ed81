"""The producer: takes an order and a source, and leaves a mailing in the ledger, loaded whole or known to be loading.

Nothing is stored before the order, the templates and the file have been found good. Then every chunk is one transaction with
the number of records loaded so far, so a load that dies is continued where it stopped, by whoever submits the same again.
"""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from mailq import telemetry
from mailq.clock import Clock
from mailq.core.mailing import Books, State
from mailq.core.message import compile_content
from mailq.engine import drafting
from mailq.engine.filling import quick_turns
from mailq.engine.intake.chunks import Chunk, cut
from mailq.engine.intake.order import MailingOrder, require_variables
from mailq.engine.intake.preview import Preview, preview
from mailq.engine.intake.source import Source
from mailq.engine.sealing import seal
from mailq.errors import Conflict
from mailq.store import mailings, organizations, recipients
from mailq.store.database import Database
from mailq.store.mailings import Draft, Mailing

__all__ = ["MailingOrder", "Preview", "Progress", "Submitted", "load_on", "preview", "submit"]

log = telemetry.logger(__name__)

PATIENCE = timedelta(minutes=5)
"""How long another process that loads the same mailing may show no progress before we give up waiting for it."""

WRITERS = 2
"""Chunks on their way to the database at once. Its server works on each in a process of its own, and takes longer than we do."""

_LOOK_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a load is: records stored, and bytes of the file read."""

    num_loaded: int
    bytes_read: int
    total_bytes: int


Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Submitted:
    """The answer to a submit.

    Attributes:
        public_id: the mailing.
        created: False if an earlier submit of the same key had made it.
        state: where it stands: `running`, `scheduled`, or `finished` if there was nothing to send.
        books: its counters.
    """

    public_id: str
    created: bool
    state: State
    books: Books


def submit(
    database: Database, order: MailingOrder, source: Source, *, progress: Report | None = None, clock: Clock | None = None
) -> Submitted:
    """Make a mailing of an order and its recipients. The caller rings for it afterwards.

    With a key that is known: the same order and recipients are the same mailing, whose load is finished if it was not.

    Raises:
        BadInput: the file, a template or a variable is at fault. Nothing was stored; or, if the file turns out to be at fault
            (an open quote, a change) only while it is loaded, the mailing stays `loading` and is never sent.
        Conflict: the key belongs to another content or other recipients.
        Unavailable: the database went away or is full. The mailing stays `loading`; submit again, or drop it.
    """
    compile_content(order.content, clock=(clock or Clock()).monotonic)
    require_variables(order.content, source)
    mailing, created = _register(database, order, source)
    return _loaded(database, mailing, source, progress, created=created)


def load_on(database: Database, reference: str, source: Source, *, progress: Report | None = None) -> Submitted:
    """Finish the load of a mailing that was left in `loading`, from the same source.

    Raises:
        NotFound: there is no such mailing.
        Conflict: it is not loading, is complete, or was loaded from other recipients.
        BadInput, Unavailable: as `submit`.
    """
    with database.begin() as tx:
        mailing = mailings.find(tx, reference)
    if mailing.state is not State.LOADING:
        raise Conflict(f"mailing {mailing.public_id} is {mailing.state}, not loading; there is nothing to load")
    if mailing.loaded_at is not None:
        raise Conflict(f"mailing {mailing.public_id} has all its recipients; the leading server is about to start it")
    if mailing.source_digest != source.digest:
        raise Conflict(f"mailing {mailing.public_id} was loaded from other recipients than {source.where} has; submit it anew")
    return _loaded(database, mailing, source, progress, created=False)


def _register(database: Database, order: MailingOrder, source: Source) -> tuple[Mailing, bool]:
    with database.begin() as tx:
        draft = drafting.draft(organizations.id_of(tx, order.organization), order, source.digest)
        created = mailings.create(tx, draft)
        if created is not None:
            log.info("mailing.created", mailing=created.public_id)
            return created, True
        known = mailings.by_key(tx, draft.organization_id, str(order.key))
    if known is None:
        raise Conflict(f"another mailing of the key `{order.key}` has just been dropped; submit again")
    _require_same(known, draft)
    return known, False


def _require_same(known: Mailing, draft: Draft) -> None:
    differs = [
        what
        for what, ours, theirs in (
            ("another content or other options", draft.content_digest, known.content_digest),
            ("other recipients", draft.source_digest, known.source_digest),
        )
        if ours != theirs
    ]
    if differs:
        raise Conflict(
            f"the key `{known.key}` belongs to mailing {known.public_id} (`{known.name}`, {known.created_at:%Y-%m-%d %H:%M} UTC), "
            f"which has {' and '.join(differs)} than `{draft.name}`; give this one a key of its own"
        )


def _loaded(database: Database, mailing: Mailing, source: Source, progress: Report | None, *, created: bool) -> Submitted:
    """Load what is still to be loaded, or wait for the process that does."""
    patience = _Patience()
    while mailing.state is State.LOADING:
        with mailings.loading(database, mailing.id) as alone:
            mailing = _look(database, mailing.id)
            if alone and mailing.state is State.LOADING:
                if mailing.loaded_at is None:
                    _load(database, mailing, source, progress)
                mailing = seal(database, mailing.id)
        if mailing.state is State.LOADING:
            patience.wait_for(mailing)
    with database.begin() as tx:
        return Submitted(mailing.public_id, created, mailing.state, mailings.books(tx, mailing.id))


def _look(database: Database, mailing_id: int) -> Mailing:
    with database.begin() as tx:
        return mailings.get(tx, mailing_id)


class _Patience:
    """Waits for another process as long as it makes progress."""

    def __init__(self) -> None:
        self._seen = -1
        self._since = 0.0

    def wait_for(self, mailing: Mailing) -> None:
        now = time.monotonic()
        if mailing.num_loaded != self._seen:
            self._seen, self._since = mailing.num_loaded, now
        if now - self._since > PATIENCE.total_seconds():
            raise Conflict(
                f"mailing {mailing.public_id} is being loaded by another process, which stands still; end that one first"
            )
        time.sleep(_LOOK_EVERY_S)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the next chunk goes: records loaded before it (its first seq is one more), and its first batch's number."""

    num_loaded: int
    number: int

    def behind(self, chunk: Chunk) -> "_Place":
        return _Place(self.num_loaded + chunk.num_records, self.number + len(chunk.loads))


def _load(database: Database, mailing: Mailing, source: Source, progress: Report | None) -> None:
    """Store the records behind those that are loaded. While chunks are on their way to the database, the next one is made."""
    with database.begin() as tx:
        place = _Place(mailing.num_loaded, recipients.last_batch_number(tx, mailing.id) + 1)
    told = progress or _nobody
    under_way: deque[tuple[Future[None], _Place]] = deque()
    stored, before = place, None
    with quick_turns(), ThreadPoolExecutor(WRITERS, "load") as writers:
        chunks = cut(source.parts(mailing.num_loaded), batch_size=mailing.batch_size, first_seq=place.num_loaded + 1)
        for chunk in chunks:
            if len(under_way) == WRITERS:
                stored = _await(under_way)
            told(Progress(stored.num_loaded, source.position.bytes_read, source.position.total_bytes))
            before = writers.submit(_store, database, mailing, chunk, place, before)
            place = place.behind(chunk)
            under_way.append((before, place))
        while under_way:
            stored = _await(under_way)
    told(Progress(stored.num_loaded, source.position.total_bytes, source.position.total_bytes))


def _nobody(_: Progress) -> None:
    """Hears how far a load is, where nobody else wants to."""


def _await(under_way: deque[tuple[Future[None], _Place]]) -> _Place:
    """Wait for the oldest chunk under way; what is stored then. Its error ends the reading too."""
    chunk, behind = under_way.popleft()
    chunk.result()
    return behind


def _store(database: Database, mailing: Mailing, chunk: Chunk, place: _Place, before: Future[None] | None) -> None:
    """Store a chunk. Chunks may be on their way side by side, but are committed one after the other, and none behind one that failed."""
    with database.begin() as tx:
        recipients.add_batches(tx, mailing.id, chunk.loads, number=place.number)
        if before is not None:
            before.result()
        if not mailings.note_loaded(tx, mailing.id, before=place.num_loaded, after=place.behind(chunk).num_loaded):
            now = mailings.get(tx, mailing.id)
            reason = "another process loads it as well" if now.state is State.LOADING else f"somebody has {now.state} it"
            raise Conflict(f"mailing {mailing.public_id} is no longer ours to load: {reason}")
