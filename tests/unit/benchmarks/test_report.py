"""The tables of a run: on a page they replace the former ones, and leave alone what this run did not measure."""

from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.benchmarks import doors_python, figures, report, sending
from tests.unit.benchmarks.test_figures import SENT

PAGE = """# Page

<!-- bench:figures -->
| of the last run |
<!-- bench:end -->

Between.

<!-- bench:peers -->
| peers of the last run |
<!-- bench:end -->
"""


@pytest.fixture
def document() -> dict[str, object]:
    """A run of all parts in which only sending is told."""
    nothing = {"client": {}, "first_mail": {}, "accept": None}
    return nothing | {"end_to_end": sending.described(SENT, "plain")}


def test_a_page_gets_the_tables_of_this_run(tmp_path: Path, document: dict[str, object]) -> None:
    """And written twice it is the same page."""
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    report.write(page, document)
    once = page.read_text()
    report.write(page, document)

    assert page.read_text() == once
    assert "| of the last run |" not in once
    assert "| end to end, 1 KB personalised multipart | 6,000 mails/s | ≥ 6,000 mails/s | ≥ 10,000 | 1.00 | reached |" in once
    assert "\nBetween.\n" in once
    assert "| peers of the last run |" in once


def test_a_run_of_one_part_leaves_the_table_of_all(tmp_path: Path, document: dict[str, object]) -> None:
    """Else a look at sending would empty the other lines."""
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    report.write(page, {"end_to_end": document["end_to_end"]})

    assert page.read_text() == PAGE


def test_the_page_of_the_project_has_a_place_for_every_table(document: dict[str, object]) -> None:
    """A table without a place would be measured and lost; and every place is closed."""
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")

    assert [name for name in report.names() if f"<!-- bench:{name} -->\n" not in text] == []
    assert text.count("<!-- bench:end -->") == len(report.names())


def test_four_servers_need_the_shared_part_four_times(document: dict[str, object]) -> None:
    """110 µs of a mail are a worker server's own, 30 are PostgreSQL's and Redis's."""
    rows = [line for line in report.sections(document)["servers"].splitlines() if line.startswith("| 4 ")]

    assert rows == ["| 4 | 72,727 | 2.18 | 66,667 |"]


DOOR = {"recipients_per_s": 40_000.0, "by_the_file": 0.95, "client_cpu_us_per_recipient": 11.0, "rss_mb": 84.0}


def test_every_door_of_python_is_told_in_words_and_one_of_them_is_the_figure() -> None:
    """A kind that was measured and has no name, or a figure that reads a kind that is gone, would be found after minutes only."""
    kinds = {" ".join(kind): DOOR for kind in doors_python.KINDS}
    document = {"doors_python": {"recipients": 300_000, "file_recipients_per_s": 42_000.0, "doors": kinds}}
    rows = report.sections(document)["doors-in-python"].splitlines()

    assert "| psycopg2, in its transaction, a generator | 40,000 | 0.95 | 11 | 84 |" in rows
    assert len(rows) == 2 + 1 + len(doors_python.KINDS)
    assert {each.target.name: each.value for each in figures.of(document)}["submit_joined"] == 0.95


def test_the_doors_over_http_are_told_with_what_they_cost_everybody() -> None:
    """Of one message, and of one recipient."""
    costs = {"median_ms": 20.0, "p99_ms": 60.5, "api_cpu_us": 900.0, "postgres_cpu_us": 150.0, "client_cpu_us": 70.0}
    document = {
        "http_messages": {"messages": 10_000, "messages_per_s": 700.0, **costs},
        "http_recipients": {"recipients": 300_000, "recipients_per_s": 40_000.0, **costs},
    }

    assert report.sections(document)["doors-over-http"].splitlines()[2:] == [
        "| 10,000 messages | 700 | 900 | 150 | 70 | 20 | 60.5 |",
        "| 300,000 recipients | 40,000 | 900 | 150 | 70 | 20 | 60.5 |",
    ]
