"""The sink's rule language: what a line means, what it does, and what is refused."""

import pytest

from mailq.errors import BadInput
from mailq.local.sink.rules import POLITE, Drop, Rule, RuleBook, Stage, Verdict, parse, parse_all


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("address=*@slow.example delay=2s", Rule(Stage.DOT, address="*@slow.example", delay=2.0)),
        ("odds=0.01 tempfail", Rule(Stage.RCPT, odds=0.01, reply=b"450 4.2.1 mailbox busy, try again later")),
        ("tempfail odds=0.01", Rule(Stage.RCPT, odds=0.01, reply=b"450 4.2.1 mailbox busy, try again later")),
        (
            "address=bob@x.example reject=550 5.1.1 no such user",
            Rule(Stage.RCPT, address="bob@x.example", reply=b"550 5.1.1 no such user"),
        ),
        ("reject=550 5.7.1 no at all times=3", Rule(Stage.RCPT, times=3, reply=b"550 5.7.1 no at all")),
        ("reject=550 please do not reject this address", Rule(Stage.RCPT, reply=b"550 please do not reject this address")),
        ("at=dot tempfail=452", Rule(Stage.DOT, reply=b"452")),
        ("at=connect tempfail=421 4.3.2 busy", Rule(Stage.CONNECT, reply=b"421 4.3.2 busy")),
        ("drop=before-dot", Rule(Stage.DATA, drop=Drop.BEFORE_DOT)),
        ("drop=after-dot delay=300ms", Rule(Stage.DOT, delay=0.3, drop=Drop.AFTER_DOT)),
        ("at=mail drop=now", Rule(Stage.MAIL, drop=Drop.NOW)),
    ],
)
def test_a_line_is_read_as_its_rule(line, rule):
    """Words come in any order; a reply's text runs on to the next key."""
    assert parse(line) == rule


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("address=a@b.example", "does nothing"),
        ("reject=451 not permanent", "begins with 5"),
        ("tempfail=550 not temporary", "begins with 4"),
        ("tempfail=451 5.1.1 which", "begins with 4"),
        ("reject tempfail", "both"),
        ("reject drop=now", "both"),
        ("drop=sometimes", "none of now"),
        ("drop=after-dot at=rcpt", "at dot only"),
        ("odds=1.5 reject", "out of range"),
        ("odds=nan reject", "out of range"),
        ("times=0.5 reject", "out of range"),
        ("times=-1 reject", "out of range"),
        ("delay=soon", "no time"),
        ("delay=1s delay=2s", "twice"),
        ("rejekt", "not understood"),
        ("reject foo", "not understood"),
        ("reject=550 two\x00parts", "begins with 5"),
    ],
)
def test_a_rule_at_fault_is_refused_with_its_line(line, complaint):
    """Whoever wrote it sees which line and why."""
    with pytest.raises(BadInput, match=complaint) as refused:
        parse(line)

    assert repr(line) in str(refused.value)


def test_comments_and_empty_lines_are_skipped():
    """A rules file is for people."""
    assert parse_all(["# nothing", "", "  ", "reject"]) == [parse("reject")]


def book(*lines: str, seed: int | None = None) -> RuleBook:
    return RuleBook(parse_all(lines), seed)


def test_the_first_rule_that_fits_decides():
    """Those below are not asked."""
    rules = book("address=a@* reject=550 first", "reject=550 second")

    assert rules.judge(Stage.RCPT, "a@x.example").reply == b"550 first"
    assert rules.judge(Stage.RCPT, "b@x.example").reply == b"550 second"


def test_a_delay_goes_on_to_the_next_rule():
    """Slow and then rude."""
    assert book("at=rcpt delay=1s", "at=rcpt delay=2s", "reject=550 no").judge(Stage.RCPT, "a@b.example") == Verdict(
        3.0, b"550 no"
    )


def test_addresses_match_in_any_case_and_whole():
    """Wildcards as in a shell; a pattern is no prefix."""
    rules = book("address=Bob@*.example reject")

    assert rules.judge(Stage.RCPT, "bOB@X.EXAMPLE").reply
    assert rules.judge(Stage.RCPT, "bob@x.example.org") is POLITE


def test_a_rule_with_an_address_never_fits_before_one_is_known():
    """At MAIL and at the greeting nobody has been named."""
    assert book("address=* at=mail tempfail").judge(Stage.MAIL) is POLITE


def test_a_rule_speaks_at_its_stage_only():
    """A rejection at the dot lets RCPT pass."""
    rules = book("at=dot reject=554 5.6.0 content")

    assert rules.judge(Stage.RCPT, "a@b.example") is POLITE
    assert rules.judge(Stage.DOT, "a@b.example").reply == b"554 5.6.0 content"


def test_times_counts_per_address():
    """So that a retry is seen to succeed, for each recipient."""
    rules = book("times=2 tempfail")
    answers = [bool(rules.judge(Stage.RCPT, address).reply) for address in ["a@x.example"] * 3 + ["b@x.example", "A@x.example"]]

    assert answers == [True, True, False, True, False]


def test_new_rules_begin_to_count_anew():
    """A test that changes the rules knows what comes next."""
    rules = book("times=1 tempfail")
    rules.judge(Stage.RCPT, "a@x.example")
    rules.replace(parse_all(["times=1 tempfail"]))

    assert rules.judge(Stage.RCPT, "a@x.example").reply


def test_odds_with_a_seed_do_not_depend_on_the_order_of_the_wire():
    """The same run misbehaves the same way, however its sessions interleave."""
    addresses = [f"user{number}@x.example" for number in range(2000)]
    forwards, backwards, other = (book("odds=0.1 tempfail", seed=seed) for seed in (7, 7, 8))
    hit = {address for address in addresses if forwards.judge(Stage.RCPT, address).reply}

    assert {address for address in reversed(addresses) if backwards.judge(Stage.RCPT, address).reply} == hit
    assert {address for address in addresses if other.judge(Stage.RCPT, address).reply} != hit
    assert 150 < len(hit) < 250


def test_odds_with_a_seed_differ_from_attempt_to_attempt():
    """A retry gets a throw of its own."""
    rules = book("odds=0.5 tempfail", seed=1)

    assert len({bool(rules.judge(Stage.RCPT, "a@x.example").reply) for _ in range(64)}) == 2


def test_odds_of_nought_and_one_are_certain():
    """No dice at the ends."""
    never, always = book("odds=0 tempfail"), book("odds=1 tempfail")

    assert not any(never.judge(Stage.RCPT, "a@x.example").reply for _ in range(200))
    assert all(always.judge(Stage.RCPT, "a@x.example").reply for _ in range(200))
