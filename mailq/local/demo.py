"""The demo's parts that are no command: its recipients, how its sink misbehaves, and counting what came out twice."""

import csv
from collections.abc import Iterator
from pathlib import Path

from mailq.core.delivery import State
from mailq.errors import Misconfigured
from mailq.local.ledgers import Comparison, compare
from mailq.local.sink.books import read_accepted
from mailq.local.state import Facts
from mailq.store import exports
from mailq.store.database import Database
from mailq.store.mailings import Mailing

# A relay is never all friendly: so there are errors to see, and retries. The domains are those of the example's file.
RULES = (
    "address=*@gone.example reject=550 5.1.1 no such user here",
    "address=*@greylist.example tempfail=451 4.7.1 greylisted, try again later times=1",
)
SETTINGS = {"retry.first": "1s"}
"""So that a greylisted mail does not keep the demo waiting for minutes."""

_EXAMPLES = Path(__file__).parents[2] / "examples"
_COLUMNS = ("email", "first_name", "last_name", "city", "coupon", "note")
_PEOPLE = (
    ("Zoë", "Müller", "Köln"),
    ("Łukasz", "Wałęsa", "Łódź"),
    ("Ελένη", "Παπαδόπουλος", "Αθήνα"),
    ("Ольга", "Шевченко", "Київ"),
    ("فاطمة", "حداد", "بيروت"),
    ("שירה", "כהן", "חיפה"),
    ("प्रिया", "शर्मा", "दिल्ली"),
    ("小明", "欧阳", "上海"),
    ("さくら", "髙橋", "札幌"),
    ("지민", "김", "서울"),
    ("สมชาย", "ใจดี", "เชียงใหม่"),
)
_NOTES = ("", "two lines:\nring twice", 'says "hello", always', "🌷🌷🌷")


def content_file() -> Path:
    """What the demo's mailing says."""
    return _example("spring-sale.toml")


def recipients_file() -> Path:
    """The 5,000 recipients that come with the project."""
    return _example("spring-sale.csv")


def write_recipients(path: Path, number: int) -> None:
    """Make a file of so many recipients, a row at a time: most are good, some invalid, doubled, gone or greylisted."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(_COLUMNS)
        rows.writerows(_rows(number))


def count_twice(database: Database, mailing: Mailing, about: Facts) -> Comparison:
    """Compare the addresses that our books count as sent with what the sink put on file, in flat memory.

    The sink's entries of this mailing are known by their Message-IDs, which begin with its number.
    """
    ours = f"<{mailing.id:x}."
    accepted = (entry.recipient for entry in read_accepted(Path(about.files["accepted"])) if entry.message_id.startswith(ours))
    with database.begin() as tx:
        return compare((row.address for row in exports.deliveries(tx, mailing.id) if row.state == State.SENT), accepted)


def _example(name: str) -> Path:
    path = _EXAMPLES / name
    if not path.is_file():
        raise Misconfigured(f"{path} is not there; the demo needs the project's `examples`")
    return path


def _rows(number: int) -> Iterator[tuple[str, ...]]:
    for row in range(1, number + 1):
        first, last, city = _PEOPLE[row % len(_PEOPLE)]
        yield _address(row), first, last, city, f"SPRING{row:X}", _NOTES[row % len(_NOTES)]


def _address(row: int) -> str:
    if row % 101 == 50:
        return f"customer{row} at mail.example"
    if row % 131 == 60:
        return f"CUSTOMER{row - 1}@Mail.Example"
    if row % 499 == 70:
        return f"moved{row}@gone.example"
    if row % 997 == 80:
        return f"patient{row}@greylist.example"
    return f"customer{row}@mail.example"
