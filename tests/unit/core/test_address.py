"""The fast path and email-validator agree, and nothing gets through that could end a line or an angle bracket."""

import string

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from mailq.core import address as module
from mailq.core.address import Address, InvalidAddress, normalise

ATOM = st.text(string.ascii_letters + string.digits + "!#$%&'*+-/=?^_`{|}~", min_size=1, max_size=8)
ODD_LOCAL = st.sampled_from(
    ["", ".", "a.", ".a", "a..b", '"a b"', '"a"', "a b", "a\\b", "a,b", "(c)a", "INFO", "PostMaster", "x" * 64, "x" * 65]
)
LOCAL = st.one_of(st.lists(ATOM, min_size=1, max_size=3).map(".".join), ODD_LOCAL)
LABEL = st.one_of(
    st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=6),
    st.sampled_from(
        ["", "-", "-a", "a-", "a--b", "ab--c", "xn--mller-kva", "XN--", "xn--a", "y" * 63, "y" * 64, "z" * 60, "a_b"]
    ),
)
RESERVED = ["example", "test", "Test", "localhost", "LOCAL", "local", "invalid", "onion", "arpa", "testing"]
ODD_TOP = ["a", "1", "42", "c1", "1c", "x-y", "xn--p1ai", "", "com.", "[127.0.0.1]", "y" * 63, "y" * 64]
TOP = st.sampled_from(["com", "COM", "org"] + RESERVED + ODD_TOP)  # noqa: RUF005
DOMAIN = st.tuples(st.lists(LABEL, max_size=5), TOP).map(lambda parts: ".".join([*parts[0], parts[1]]))
AT = st.sampled_from(["@", "@", "@", "", "@@", " @"])
END = st.sampled_from(["", "", "", ".", "\n", ">", " x"])
NEARLY = st.tuples(LOCAL, AT, DOMAIN, END).map("".join)


def reference(text: str) -> Address | None:
    """What email-validator alone makes of an address."""
    try:
        valid = validate_email(text.strip(), check_deliverability=False, strict=True)
    except EmailNotValidError:
        return None
    normal = f"{valid.local_part}@{valid.ascii_domain}"
    return Address(normal, international=valid.smtputf8)


def ours(text: str) -> Address | None:
    try:
        return normalise(text)
    except InvalidAddress:
        return None


@given(NEARLY)
@example("a@" + "b" * 63 + ".com")
@example("a@" + "b" * 64 + ".com")
@example("a" * 64 + "@" + ".".join(["b" * 61] * 3) + ".com")
@example("a" * 64 + "@" + ".".join(["b" * 61] * 3) + ".coms")
@example("a@b.c1")
@example("a@b-.com")
@example("a@b.test")
@example("a@test")
@example("a@test.com")
@example("Info@B.Example")
def test_normalising_is_what_email_validator_says(text):
    assert ours(text) == reference(text)


@given(NEARLY)
def test_the_fast_path_alone_accepts_nothing_that_email_validator_refuses_or_changes(text):
    """Without the slow path behind it: what the expression matches must already be right."""
    if len(text) <= module.MAX_OCTETS and module._PLAIN.match(text):
        assert reference(text) == normalise(text)


@given(st.text())
def test_any_text_at_all_is_judged_as_email_validator_does(text):
    assert ours(text) == reference(text)


@given(
    st.one_of(
        NEARLY,
        st.text(),
        st.builds("{}@{}".format, st.text(), st.text()),
        st.from_regex(r"[^@]+@[^@]+\.[a-z]+\s?", fullmatch=True),
    )
)
def test_nothing_that_ends_a_line_a_word_or_a_bracket_gets_through(text):
    found = ours(text)
    if found is not None:
        assert not set(found.text) & set("\r\n\0 \t<>")
        assert found.text.count("@") == 1
        assert found.domain.isascii()
        assert found.domain == found.domain.lower()


@pytest.mark.parametrize("text", ["anna@example.com", "O'Neil+news@Mail.example", "a@b.co", "1@2.cc", "x" * 64 + "@example.org"])
def test_an_ordinary_address_needs_no_library(text, monkeypatch):
    monkeypatch.setattr(module, "validate_email", None)
    assert normalise(text).text.partition("@")[0] == text.partition("@")[0]


@pytest.mark.parametrize(
    ("text", "stored", "international"),
    [
        ("  Anna@EXAMPLE.com \r\n", "Anna@example.com", False),
        ("SALES@example.com", "sales@example.com", False),
        ("anna@müller.example", "anna@xn--mller-kva.example", False),
        ("anna@xn--mller-kva.example", "anna@xn--mller-kva.example", False),
        ("jürgen@müller.example", "jürgen@xn--mller-kva.example", True),
        ("ju\u0308rgen@example.com", "jürgen@example.com", True),
        ("用户@例え.example", "用户@xn--r8jz45g.example", True),
        ("anna@shop.example", "anna@shop.example", False),
    ],
)
def test_an_address_has_one_form(text, stored, international):
    assert normalise(text) == Address(stored, international)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \t ", "empty"),
        ("anna", "@-sign"),
        ("user@localhost", "period"),
        ("user@host.local", "special-use"),
        ("Anna <anna@example.com>", "display name"),
        ("anna@example.com\nRCPT TO:<b@example.com>", "invalid characters"),
        ("anna@example.com, bert@example.com", "invalid characters"),
        ("anna@[127.0.0.1]", "bracketed"),
        ('"anna b"@example.com', "Quoting"),
        ("x" * 65 + "@example.com", "too long before the @-sign"),
        ("x" * 10_000_000, "9999746 characters too many"),
    ],
)
def test_a_refused_address_says_why_in_a_sentence(text, reason):
    with pytest.raises(InvalidAddress) as refused:
        normalise(text)
    assert reason in refused.value.reason
    assert str(refused.value) == refused.value.reason


def test_spellings_that_differ_in_case_are_one_mailbox():
    assert normalise("Anna.Schmidt@Example.com").key == normalise("anna.schmidt@EXAMPLE.COM").key
    assert normalise("JÜRGEN@example.com").key == normalise("jürgen@example.com").key


def test_a_library_that_let_a_command_through_would_be_caught(monkeypatch):
    """The last look is ours, whatever a later version of email-validator allows."""

    class Careless:
        local_part, ascii_domain = "a>\r\nDATA", "example.com"

    monkeypatch.setattr(module, "validate_email", lambda text, **options: Careless)
    with pytest.raises(InvalidAddress):
        normalise('"a"@example.com')
