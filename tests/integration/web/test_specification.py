"""The specification, and the API held to it: hostile and honest requests made from it, thousands of them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from docs.generator import HERE
from docs.generator.openapi import page
from mailq.settings import Settings
from mailq.web.api import openapi
from mailq.web.api.app import create
from tests.integration.web.conftest import LETTER, WORDS, NewCaller
from tests.support.api import Caller

# Templates and addresses may be wrong in ways that no schema can say; a mailing without recipients cannot be started.
_CONFIGURATION = """
hooks = "hooks.py"
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "404", "409", "422"]
[checks.negative_data_rejection]
expected-statuses = ["400", "404", "409", "413", "415", "422"]
[checks.missing_required_header]
expected-statuses = ["400", "401", "415", "422"]
"""
_HOOKS = """
import schemathesis

@schemathesis.serializer("application/x-ndjson")
def ndjson(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
"""
DOCUMENT = openapi.specification(create(Settings(database_url="postgresql://nobody@127.0.0.1/nothing")))
OPERATIONS = {said["operationId"]: said for verbs in DOCUMENT["paths"].values() for said in verbs.values()}


@pytest.fixture
def chosen() -> dict[str, object]:
    """No waiting for rates."""
    return {"rate_per_s": 1_000_000}


def test_it_is_written_down() -> None:
    """If not: `.venv/bin/python -m docs.generator`."""
    assert (HERE / "openapi.json").read_text(encoding="utf-8") == page()


def test_it_is_one() -> None:
    """OpenAPI 3.1, whatever a generator of clients asks of it."""
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    assert DOCUMENT["openapi"] == "3.1.0"


def test_every_operation_names_its_problems() -> None:
    """Each as a problem, and explained."""
    for name, said in OPERATIONS.items():
        answers = said["responses"]
        problems = {status for status in answers if status.startswith(("4", "5"))}
        assert {"400", "500", "503"} <= problems, name
        assert ("requestBody" in said) == ({"408", "413", "415"} <= problems), name
        assert {status for status in problems if list(answers[status]["content"]) != ["application/problem+json"]} == set(), name
        assert said["summary"], name
        assert said["description"], name


def send(caller: Caller) -> None:
    """Something to be found."""
    caller.post("/v1/messages", json=WORDS)
    caller.post("/v1/mailings", json=LETTER | {"key": "sale"})
    caller.post("/v1/suppressions", json={"address": "ann@x.example"})
    ann = {"type": "subscriber", "customer_key": "customer-4711", "address": "ann@x.example"}
    caller.post("/v1/calls", json={"method": "create", "objects": [ann], "options": {"conversation_id": "spring sale"}})
    caller.post("/v1/calls", json={"method": "create", "objects": [ann], "options": {"request_type": "synchronous"}})


@pytest.mark.timeout(170)
@pytest.mark.parametrize(
    "effort", [pytest.param(("5", "25"), id="quick"), pytest.param(("400", "120"), id="long", marks=pytest.mark.slow)]
)
def test_it_is_what_the_api_does(new_caller: NewCaller, tmp_path: Path, effort: tuple[str, str]) -> None:
    """All checks of schemathesis: no fault of ours, no answer that is not documented."""
    caller = new_caller("admin")
    send(caller)
    (tmp_path / "schemathesis.toml").write_text(_CONFIGURATION)
    (tmp_path / "hooks.py").write_text(_HOOKS)
    examples, seconds = effort
    base = str(caller.http.base_url).rstrip("/")
    program = Path(sys.executable).with_name("schemathesis")
    words = ["run", f"{base}/v1/openapi.json", "--url", base, "--checks", "all", "-H", f"Authorization: Bearer {caller.key}"]
    bounds = ["--max-examples", examples, "--max-time", seconds, "--seed", "4711", "--no-color", "--warnings", "off"]

    done = subprocess.run(
        [program, "--config-file", tmp_path / "schemathesis.toml", *words, *bounds, "--exclude-path-regex", "/events$"],
        cwd=tmp_path,
        env=os.environ | {"HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    # One that runs out of time before it has asked for everything is content, too.
    assert re.search(rf"Tested: +{len(OPERATIONS) - 1}$", done.stdout, re.MULTILINE), done.stdout[-2000:]
