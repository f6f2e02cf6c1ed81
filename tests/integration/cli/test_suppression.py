"""`suppression`: put down, taken back, listed and imported; a submit passes over what is on it, and the books say why."""

from pathlib import Path

import pytest

from mailq.core.suppression import Reason
from tests.integration.cli.conftest import Command


def listed(mailqctl: Command, *words: str) -> list[tuple[str, str]]:
    done = mailqctl("suppression", "list", "--json", *words)
    assert done.code == 0, done.err
    return [(each["address"], each["reason"]) for each in done.document]


def test_an_address_is_suppressed_once_in_the_form_recipients_are_kept_in(mailqctl: Command) -> None:
    words = ["--reason", "complained", "--note", "ticket 17", "--json"]

    first = mailqctl("suppression", "add", " Ann@MÜNCHEN.example ", *words)
    again = mailqctl("suppression", "add", "ann@xn--mnchen-3ya.example", "--reason", "bounced")

    assert first.document == {"address": "ann@xn--mnchen-3ya.example", "added": True}
    assert again.code == 0
    assert "nothing was changed" in again.err
    assert listed(mailqctl) == [("ann@xn--mnchen-3ya.example", "complained")]
    assert mailqctl("suppression", "add", "no address").code == 65


def test_what_is_taken_back_may_be_mailed_again(mailqctl: Command) -> None:
    mailqctl("suppression", "add", "ann@x.example")

    assert mailqctl("suppression", "remove", "ANN@x.example").code == 0
    assert listed(mailqctl) == []
    gone = mailqctl("suppression", "remove", "ann@x.example")
    assert gone.code == 4
    assert "is not suppressed" in gone.err


def test_a_long_list_is_read_a_page_at_a_time(mailqctl: Command) -> None:
    addresses = "".join(f"{name}@x.example\n" for name in ("cid", "ann", "bob", "anna", "an_"))
    mailqctl("suppression", "import", "-", "--reason", "bounced", stdin=addresses)

    first = mailqctl("suppression", "list", "--limit", "2", "--json")
    assert [each["address"] for each in first.document] == ["an_@x.example", "ann@x.example"]
    assert "--after ann@x.example" in first.err
    assert [address for address, _ in listed(mailqctl, "--after", "ann@x.example")] == [
        "anna@x.example", "bob@x.example", "cid@x.example"
    ]  # fmt: skip
    assert [address for address, _ in listed(mailqctl, "--prefix", "AN_")] == ["an_@x.example"]
    assert listed(mailqctl, "--reason", "manual") == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.txt", "ann@x.example\n\nBOB@x.example\nno address\nann@X.example\n"),
        ("list.csv", "name;email\nAnn;ann@x.example\nBob;BOB@x.example\nNobody;no address\nAnn again;ann@X.example\n"),
        ("bare.csv", "1,ann@x.example\n2,BOB@x.example\n3,no address\n4,ann@X.example\n"),
        ("list.jsonl", "".join(f'{{"email": "{each}"}}\n' for each in ("ann@x.example", "BOB@x.example", "no", "ann@X.example"))),
    ],
)
def test_a_file_is_imported_and_its_bad_lines_are_counted(mailqctl: Command, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)

    done = mailqctl("suppression", "import", str(tmp_path / name), "--reason", "bounced", "--json")
    again = mailqctl("suppression", "import", str(tmp_path / name), "--reason", "manual")

    assert done.code == 0, done.err
    assert done.document == {"num_lines": 4, "num_added": 2, "num_known": 1, "num_invalid": 1}
    assert listed(mailqctl) == [("ann@x.example", "bounced"), ("bob@x.example", "bounced")]
    assert "0 addresses are suppressed now" in again.out
    assert "1 of 4 lines" in again.err


def test_more_than_one_page_is_imported(mailqctl: Command, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(
        "".join(f"p{number}\\{{}}@x.example\n" if number % 5_000 == 1 else f"p{number}@x.example\n" for number in range(25_000))
    )

    done = mailqctl("suppression", "import", str(tmp_path / "list.txt"), "--json")

    assert done.document == {"num_lines": 25_000, "num_added": 24_995, "num_known": 0, "num_invalid": 5}


def test_an_organization_that_is_not_there_is_named(mailqctl: Command) -> None:
    done = mailqctl("suppression", "add", "ann@x.example", "--organization", "acme")

    assert done.code == 4
    assert "`acme`" in done.err


def test_a_submit_passes_over_who_is_suppressed_and_says_why(mailqctl: Command, content: str) -> None:
    for reason in Reason:
        mailqctl("suppression", "add", f"{reason}@x.example", "--reason", reason)
    people = "".join(f"{reason.upper()}@X.example,n\n" for reason in Reason)

    done = mailqctl("mailing", "submit", "-", "--content", content, "--json", stdin=f"email,name\nann@x.example,Ann\n{people}")

    assert (done.document["num_pending"], done.document["num_skipped"]) == (1, len(Reason))
    exported = mailqctl("mailing", "export", done.document["mailing"], "--state", "skipped").out
    for reason in Reason:
        assert f"suppressed: {reason}" in exported


def test_a_dry_run_knows_that_who_has_unsubscribed_gets_what_is_transactional(
    mailqctl: Command, people: str, content: str
) -> None:
    mailqctl("suppression", "add", "ann@x.example", "--reason", "unsubscribed")
    mailqctl("suppression", "add", "bob@x.example", "--reason", "bounced")
    words = ("mailing", "submit", people, "--content", content, "--dry-run", "--json", "--lane")

    assert mailqctl(*words, "bulk").document["num_suppressed"] == 3
    assert mailqctl(*words, "transactional").document["num_suppressed"] == 1


def test_a_dry_run_says_how_many_are_suppressed(mailqctl: Command, people: str, content: str) -> None:
    mailqctl("suppression", "add", "BOB@x.example", "--reason", "unsubscribed")

    done = mailqctl("mailing", "submit", people, "--content", content, "--dry-run", "--json")
    shown = mailqctl("mailing", "submit", people, "--content", content, "--dry-run")

    assert (done.document["num_valid"], done.document["num_suppressed"]) == (1, 1)
    assert "1 are suppressed" in shown.out
