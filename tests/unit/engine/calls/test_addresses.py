"""Where answers may go, as far as it can be said when a call is accepted."""

import pytest

from mailq.core.call import ResponseType
from mailq.core.networks import networks
from mailq.engine.calls import order
from mailq.engine.calls.addresses import STRICT, UNJUDGED, Policy, require_response_address
from mailq.errors import BadInput

WHERE = "/options/send_response_to/0/response_address"
WITH_SENDER = Policy(emails=True)
AT_HOME = Policy(networks=networks("127.0.0.0/8,10.0.0.0/8"))


def posted(url: object, policy: Policy = STRICT) -> str | None:
    return require_response_address(ResponseType.HTTP_POST, url, WHERE, policy)


def refusal(kind: ResponseType, said: object, policy: Policy = STRICT) -> str:
    with pytest.raises(BadInput) as refused:
        require_response_address(kind, said, WHERE, policy)
    assert refused.value.field == WHERE
    return str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://hooks.example/a?b=c", "http://hooks.example:8080", "https://1.1.1.1/", "https://[2606:4700:4700::1111]/x"]
)
def test_a_public_address_is_taken_as_it_is(url: str) -> None:
    assert posted(url) == url


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "127.0.0.1:8080",
        "127.1",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "10.0.0.7",
        "0.0.0.0",
        "[::1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "localhost",
        "LOCALHOST.",
        "metadata.localhost",
    ],
)
def test_a_private_address_is_refused_however_it_is_written(host: str) -> None:
    assert "no public address" in refusal(ResponseType.HTTP_POST, f"http://{host}/latest/meta-data")


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "0x7f.1", "10.0.0.7"])
def test_a_private_address_is_taken_where_its_network_is_allowed(host: str) -> None:
    assert posted(f"http://{host}/", AT_HOME) == f"http://{host}/"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example",
        "ftp://hooks.example/",
        "https://",
        "https://hooks.example:0/",
        "https://hooks.example:99999/",
        "https://hooks.example/a b",
        "https://hooks.example/\r\nX-Evil:1",
        "https://höcks.example/",
        "https://user:secret@hooks.example/",
        "http://[fe80::1%25eth0]/",
        "http://%31%32%37.0.0.1/",
        "http://[::1/",
        "https://hooks.example/" + "a" * 2000,
    ],
)
def test_what_is_no_address_of_a_webhook_is_refused(url: str) -> None:
    assert "secret" not in refusal(ResponseType.HTTP_POST, url)


@pytest.mark.parametrize("said", [None, 7, ["https://hooks.example"]])
def test_an_answer_needs_an_address(said: object) -> None:
    assert "is missing" in refusal(ResponseType.HTTP_POST, said)


def test_an_email_is_refused_where_there_is_nobody_to_be_from() -> None:
    assert "MAILQ_CALLS__RESPONSE_SENDER" in refusal(ResponseType.EMAIL, "ops@example.org")


def test_an_email_goes_to_an_address_in_its_one_form() -> None:
    assert require_response_address(ResponseType.EMAIL, " Ops@EXAMPLE.org", WHERE, WITH_SENDER) == "Ops@example.org"


@pytest.mark.parametrize(
    "address", ["", "ops", "ops@", "a@b@example.org", "ops@example.org\r\nBcc: all@example.org", "jörg@example.org"]
)
def test_an_email_to_no_address_is_refused(address: str) -> None:
    refusal(ResponseType.EMAIL, address, WITH_SENDER)


def test_who_does_not_know_the_settings_leaves_it_to_who_sends() -> None:
    assert posted("http://10.0.0.7/", UNJUDGED) == "http://10.0.0.7/"
    assert require_response_address(ResponseType.EMAIL, "ops@example.org", WHERE, UNJUDGED) == "ops@example.org"
    refusal(ResponseType.HTTP_POST, "hooks.example", UNJUDGED)


def test_no_answer_needs_no_address() -> None:
    assert require_response_address(ResponseType.NONE, "whatever", WHERE, STRICT) is None


def calling_for(*responses: dict[str, object]) -> dict[str, object]:
    """A call that wants to be answered."""
    about = {"type": "suppression", "address": "ann@example.org", "reason": "manual"}
    return {"method": "create", "objects": [about], "options": {"send_response_to": list(responses)}}


def test_a_call_is_refused_with_a_pointer_to_the_address_at_fault() -> None:
    fine = {"response_type": "http_post", "response_address": "https://hooks.example/"}
    private = fine | {"response_address": "http://169.254.169.254/latest"}
    with pytest.raises(BadInput) as refused:
        order.read(calling_for(fine, private))

    assert refused.value.field == "/options/send_response_to/1/response_address"
    assert (
        order.read(calling_for(fine, private), policy=Policy(networks=networks("169.254.0.0/16"))).responses[1].response_address
    )


def test_a_call_that_wants_an_email_is_accepted_where_there_is_a_sender() -> None:
    mailed = {"response_type": "email", "response_address": "ops@example.org"}
    with pytest.raises(BadInput, match="RESPONSE_SENDER"):
        order.read(calling_for(mailed))

    assert order.read(calling_for(mailed), policy=WITH_SENDER).responses[0].response_address == "ops@example.org"
