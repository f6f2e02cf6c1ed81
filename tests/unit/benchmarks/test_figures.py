"""The figures of the benchmark: what counts as reached, the arithmetic of shares and ratios, and keys that others read."""

import pytest

from mailq.core.mailing import Books
from tests.benchmarks import figures, millions, sending
from tests.benchmarks.end_to_end import EndToEnd
from tests.benchmarks.figures import TARGETS, Figure, Target, merged, shown
from tests.benchmarks.peers import comparison
from tests.benchmarks.peers.peer import PeerRun

RATE = Target("rate", "sending", ("end_to_end", "mails_per_s"), "mails/s", 6000, 10_000)
COST = Target("cost", "sending", ("end_to_end", "cpu_us_per_mail_without_sink"), "µs/mail", 250, 150, at_most=True)

CPU = {"workers": 100.0, "main": 3.0, "warden": 7.0, "postgres": 28.0, "redis": 2.0, "sink": 60.0}
SENT = EndToEnd(30_000, 5.0, CPU, 90.0, Books(num_profiles=30_000, num_sent=30_000))


@pytest.mark.parametrize(
    ("target", "value", "ratio", "verdict"),
    [
        (RATE, 5999.0, 0.9998, "short"),
        (RATE, 6000.0, 1.0, "reached"),
        (RATE, 10_000.0, 1.6667, "stretch reached"),
        (COST, 251.0, 1.004, "short"),
        (COST, 250.0, 1.0, "reached"),
        (COST, 149.0, 0.596, "stretch reached"),
        (RATE, None, None, "not measured"),
    ],
)
def test_a_figure_is_reached_from_the_right_side(target: Target, value: float | None, ratio: float | None, verdict: str) -> None:
    """More mails are better, more microseconds are not; what was not measured was not reached either."""
    figure = Figure(target, value)

    assert figure.ratio == (None if ratio is None else pytest.approx(ratio, abs=1e-4))
    assert figure.verdict == verdict
    assert figure.as_mapping()["reached"] is {"short": False, "not measured": None}.get(verdict, True)


def test_a_figure_is_found_in_the_document_or_missing() -> None:
    """A part that was not run leaves its figures empty, and none of the others."""
    document = {"end_to_end": {"mails_per_s": 6500.0}, "scale": {}}
    found = {each.target.name: each.value for each in figures.of(document)}

    assert found["end_to_end"] == 6500.0
    assert {value for name, value in found.items() if name != "end_to_end"} == {None}


def test_every_figure_has_a_name_and_a_place_of_its_own() -> None:
    """Two that read the same place would hide that one is not measured."""
    assert len({target.name for target in TARGETS}) == len({target.where for target in TARGETS}) == len(TARGETS)


def test_the_keys_of_sending_stay_as_others_read_them() -> None:
    """New keys may come; these have been there from the first version, and mean what they meant: the sink is part of the sum."""
    document = sending.described(SENT, "plain")

    assert document["mails_per_s"] == 6000.0
    assert document["mails"] == 30_000
    assert document["bytes"] > 1000
    assert document["cpu_us_per_mail"] == 200.0
    assert document["cpu_us_per_mail_by_process"] == {
        "workers": 100.0,
        "main and warden": 10.0,
        "postgres": 28.0,
        "redis": 2.0,
        "sink": 60.0,
    }


def test_shares_are_of_what_is_ours() -> None:
    """The sink stands for somebody else's relay."""
    assert SENT.ours_us == 140.0
    assert SENT.shared_percent == pytest.approx(100 * 30 / 140)
    assert SENT.celery_percent == pytest.approx(100 * 5 / 140)


def test_parts_that_measure_into_one_section_complete_each_other() -> None:
    """Memory of workers and of a submit is measured by two parts; the larger submit comes last and counts."""
    document = merged({"rss_mb": {"worker": 90.0, "submit": 70.0}}, {"rss_mb": {"submit": 75.0}, "accept": {}})

    assert document == {"rss_mb": {"worker": 90.0, "submit": 75.0}, "accept": {}}


def test_peers_are_compared_by_medians() -> None:
    """One slow run of either is no verdict. Speed is ours by theirs, CPU theirs by ours: above 1 is for us both times."""
    ours = [PeerRun(rate, 100.0) for rate in (1000.0, 6000.0, 6100.0)]
    theirs = [PeerRun(rate, cpu) for rate, cpu in ((300.0, 4000.0), (200.0, 5000.0), (900.0, 4500.0))]
    document = comparison.summary(ours, theirs)

    assert (document["ratio"], document["cpu_ratio"]) == (20.0, 45.0)
    assert document["peer"] == {"mails_per_s": 300.0, "cpu_us_per_mail": 4500.0, "runs": [300.0, 200.0, 900.0]}


def test_the_ceiling_is_taken_from_right_before_and_right_after() -> None:
    """While the machine gets slower for both, the ratio stays."""
    assert sending.ratio([4500.0, 3500.0, 2500.0], [10_000.0, 8000.0, 6000.0, 4000.0]) == 0.5


def test_growth_is_told_in_percent_of_what_sending_costs() -> None:
    """In PostgreSQL and in the worker together; loading is another matter."""
    pairs = {"load_us": (9, 99), "postgres_us": (50, 53), "client_us": (50, 51)}
    found = {
        "cpu_us_per_mail": {name: {"few": few, "many": many} for name, (few, many) in pairs.items()},
        "queries_ms": {"progress": {"few": 0.4, "many": 0.9}},
    }

    assert millions.derived(found) == {"progress_ms": 0.9, "growth_percent": 4.0}


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.0731, "0.07"), (20.04, "20.0"), (369.3, "369"), (6000.4, "6,000"), (2.0, "2")]
)
def test_a_number_is_shown_with_the_digits_it_deserves(value: float | None, text: str) -> None:
    """The tables are for people; the document has the rest."""
    assert shown(value) == text
