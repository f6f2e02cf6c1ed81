"""Whatever a CSV writer writes comes back the same from the table."""

import csv
import io
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from mailq.engine import producer
from mailq.engine.intake import open_source
from mailq.engine.producer import MailingOrder
from mailq.store.database import Database
from tests.integration.producer.conftest import CONTENT

_VALUES = st.text(
    st.one_of(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), st.sampled_from("\n\r\t,;|\"\\' \u2028\x85")),
    max_size=12,
)
_FILES = st.fixed_dictionaries(
    {
        "rows": st.lists(st.tuples(_VALUES, _VALUES, _VALUES), min_size=1, max_size=8),
        "delimiter": st.sampled_from(",;\t|"),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
        "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
        "batch_size": st.integers(1, 9),
    }
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=_FILES)
def test_rows_written_in_any_dialect_come_back_the_same(database: Database, file: dict[str, object]) -> None:
    """The line end is RFC 4180's: csv.writer does not quote a lone \\r otherwise, and no reader could tell."""
    rows: list[tuple[str, str, str]] = file["rows"]  # type: ignore[assignment]
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=file["delimiter"], quoting=file["quoting"])  # type: ignore[call-overload]
    writer.writerow(["one", "e-mail", "two\nlines", "three"])
    for number, (one, two, three) in enumerate(rows):
        writer.writerow([one, f"p{number}@example.org", two, three])

    with TemporaryDirectory() as place:
        path = Path(place, "people.csv")
        path.write_bytes(written.getvalue().encode(str(file["encoding"])))
        with open_source(path) as source:
            order = MailingOrder("Spring", CONTENT, batch_size=int(str(file["batch_size"])))
            submitted = producer.submit(database, order, source)

    with database.begin() as tx:
        found = tx.execute(
            text("SELECT address, variables FROM delivery JOIN mailing ON id = mailing_id WHERE public_id = :id ORDER BY seq"),
            {"id": submitted.public_id},
        )
        stored = [(row.address, row.variables) for row in found]
    assert stored == [
        (f"p{number}@example.org", {"one": one, "two\nlines": two, "three": three})
        for number, (one, two, three) in enumerate(rows)
    ]
