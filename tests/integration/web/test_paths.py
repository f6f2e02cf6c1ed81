"""Names in paths: whatever is taken as a key can be asked for, as long as it is encoded."""

from urllib.parse import quote

import pytest

from tests.integration.web.conftest import LETTER
from tests.support.api import Caller, problem

LINES = b'{"address": "ann@x.example", "name": "Ann"}\n{"address": "bob@x.example", "name": "Bob"}\n'


@pytest.mark.parametrize("key", ["newsletter/2026", "x/start", "sale/recipients", "100%", "a%2Fb", "/", "frühling 1/2?#", "a\\b"])
def test_a_key_is_a_reference(caller: Caller, key: str) -> None:
    """For every operation of a mailing, and in the address of the next page."""
    made = caller.post("/v1/mailings", json=LETTER | {"key": key}).json()["id"]
    path = f"/v1/mailings/{quote(key, safe='')}"

    upload = caller.post(f"{path}/recipients", content=LINES, headers={"Content-Type": "application/x-ndjson"})
    page = caller.get(f"{path}/deliveries", params={"limit": 1})
    rest = caller.get(page.links["next"]["url"])
    started = caller.post(f"{path}/start")

    assert caller.get(path).json()["id"] == made
    assert upload.json()["num_valid"] == 2
    assert [each["address"] for each in page.json()["data"] + rest.json()["data"]] == ["ann@x.example", "bob@x.example"]
    assert started.json()["id"] == made
    assert caller.get(f"{path}/export").status_code == 200


def test_a_slash_that_is_none_of_a_name_ends_it(caller: Caller) -> None:
    """As in any path; and the methods that are named are those of the address that was meant."""
    caller.post("/v1/mailings", json=LETTER | {"key": "a/b"})

    problem(caller.get("/v1/mailings/a/b"), 404)
    refused = caller.delete("/v1/mailings/a%2Fstart")
    problem(refused, 405)
    assert refused.headers["allow"] == "GET"


def test_an_address_may_hold_a_slash(caller: Caller) -> None:
    """And a percent sign, and what else stands in paths; it is judged decoded."""
    for address in ("a/b@x.example", "a%2fb@x.example", "me/history@x.example"):
        caller.post("/v1/mailings", json=LETTER | {"recipients": [{"address": address, "variables": {"name": "Ann"}}]})
        assert caller.post("/v1/suppressions", json={"address": address}).status_code == 201
        name = quote(address, safe="@")

        (delivery,) = caller.get(f"/v1/recipients/{name}/history").json()["data"]
        assert delivery["state"] == "pending"
        assert caller.delete(f"/v1/suppressions/{name}").status_code == 204
    assert caller.get(f"/v1/mailings/{quote('/' * 200, safe='')}").status_code == 404
    problem(caller.get(f"/v1/mailings/{quote('/' * 201, safe='')}"), 422)
