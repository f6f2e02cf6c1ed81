"""Bodies with more faults than anybody reads: refused without spelling them out."""

import json
from typing import Any

import pytest

from mailq.web.api.bodies import parse
from mailq.web.api.given import MailingIn, MessageIn
from mailq.web.api.problems import Problem


def refused(model: Any, said: Any) -> Problem:
    """What is said of a body."""
    with pytest.raises(Problem) as caught:
        parse(model, json.dumps(said).encode())
    return caught.value


def test_a_hundred_thousand_faults_are_counted_and_not_told() -> None:
    """As many as a person may read are told."""
    many = refused(MessageIn, {f"f{number}": 0 for number in range(100_000)})
    few = refused(MessageIn, {f"f{number}": 0 for number in range(100)})

    assert (many.status, many.errors) == (422, ())
    assert many.detail == "the body is not as it should be, in 100,002 places"
    assert len(few.errors) == 50


@pytest.mark.parametrize(
    ("variables", "where"),
    [
        ({"a": [1, {"b": ["x", "y\0"]}]}, "/a/1/b/1"),
        ({"a": 1, "b\0": 2, "c": 3}, ""),
        ({"a": "\\u0000 is none", "b": {"c": "\\\0"}}, "/b/c"),
    ],
)
def test_a_nul_is_found_among_many(variables: dict[str, Any], where: str) -> None:
    """In values and in names, however deep."""
    recipients = [{"address": f"a{number}@x.example", "variables": {"name": "Ann"}} for number in range(2000)]
    recipients[1234]["variables"] = variables

    found = refused(MailingIn, {"name": "sale", "recipients": recipients})

    assert [each["pointer"] for each in found.errors] == [f"#/recipients/1234/variables{where}"]
