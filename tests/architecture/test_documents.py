"""The documentation says what the code does: generated pages are up to date, links lead somewhere, commands exist."""

import re
import shlex
from pathlib import Path

import click
import pytest

from docs import generator
from docs.generator import commands, settings, states
from docs.generator.schema import ABOUT
from mailq.store.tables import metadata
from tests.architecture.tree import ROOT, files, named

PAGES = [path for path in files() if path.suffix == ".md"]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
# Code is what stands in a fence or in backticks; help texts have usage lines that nobody types.
CODE = re.compile(r"^```\w*\n(.*?)^```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
CALL = re.compile(r"(?:^|(?<!Usage:)[\s$(])(?:mailqctl|\./run) +([a-z][^\n#|;&)]*)", re.MULTILINE)
OWN_WORDS_OF_RUN = {"test", "check", "bench", "lock"}


@pytest.mark.parametrize("name", generator.PAGES)
def test_a_generated_page_is_what_the_code_says(name: str) -> None:
    """If not: `.venv/bin/python -m docs.generator`."""
    assert (generator.HERE / name).read_text(encoding="utf-8") == generator.PAGES[name]()


def test_every_state_is_explained_by_a_sentence() -> None:
    """Below the state, in the core."""
    silent = [
        f"{module.__name__}: {state}"
        for module in states.MACHINES
        for state in module.State
        if not states.meanings_of(module.State).get(state.name, "").endswith(".")
    ]

    assert silent == []


def test_every_table_is_introduced() -> None:
    """And no table that is gone."""
    assert set(ABOUT) == set(metadata.tables)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_to_a_file(page: Path) -> None:
    """Within the repository; addresses elsewhere are nobody's promise."""
    targets = [one or other for one, other in LINK.findall(page.read_text(encoding="utf-8"))]
    local = [target.partition("#")[0] for target in targets if "://" not in target and not target.startswith(("#", "mailto:"))]

    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_in_a_page_can_be_typed(page: Path) -> None:
    """The command exists, and so does each of its options."""
    code = ["".join(found) for found in CODE.findall(page.read_text(encoding="utf-8"))]
    calls = [call for each in code for call in CALL.findall(each)]

    assert [f"{call}: {fault}" for call in calls if (fault := _fault(shlex.split(call)))] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_variable_in_a_page_is_a_setting(page: Path) -> None:
    """A renamed setting must not live on in a page."""
    named_there = set(re.findall(r"\bMAILQ_[A-Z][A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")))

    assert named_there - set(settings.variables()) - _planned(page) == set()


def test_every_module_that_the_architecture_page_names_exists() -> None:
    """It is the map for newcomers."""
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:mailq|workers|tests|docs|deploy|examples|requirements)/[\w./-]*)`", text))

    assert paths
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_every_decision_record_says_context_decision_and_consequences() -> None:
    """And the records are numbered without a gap, and listed."""
    records = sorted(path for path in (ROOT / "docs/adr").glob("[0-9]*.md"))
    headings = {path.name: re.findall(r"^## (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE) for path in records}

    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    assert {tuple(found) for found in headings.values()} == {("Context", "Decision", "Consequences")}
    index = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")
    assert [path.name for path in records if path.name not in index] == []


def _planned(page: Path) -> set[str]:
    if page in {ROOT / "docs/doors/flask.md", ROOT / "README.md"}:
        # What an app of Flask's has in its own configuration.
        return {"MAILQ_URL", "MAILQ_KEY", "MAILQ_ORGANIZATION", "MAILQ_SCHEMA"}
    # The records argue about settings that come with later versions.
    return {"MAILQ_FAILOVER_AFTER", "MAILQ_MIGRATION_LIST"} if page.parent.name == "adr" else set()


def _fault(words: list[str]) -> str:
    if words[0] in OWN_WORDS_OF_RUN:
        return ""
    known = {tuple(context.command_path.split()[1:]): context for context in commands.commands()}
    length = max((number for number in range(len(words) + 1) if tuple(words[:number]) in known), default=0)
    if not length:
        return f"no command {words[0]}"
    context, rest = known[tuple(words[:length])], words[length:]
    if isinstance(context.command, click.Group) and rest and not (context.command.invoke_without_command and rest[0][0] == "-"):
        return f"no command {rest[0]} below {context.command_path}"
    return _option_fault(context, rest)


def _option_fault(context: click.Context, words: list[str]) -> str:
    options = {name: each for each in context.command.get_params(context) for name in (*each.opts, *each.secondary_opts)}
    for number, word in enumerate(words):
        if word == "--":
            break
        option = options.get(word.partition("=")[0])
        if word.startswith("-") and len(word) > 1 and option is None:
            return f"no option {word}"
        if option is not None and isinstance(option.type, click.Choice):
            try:
                option.type.convert(words[number + 1], option, context)
            except click.BadParameter as fault:
                return fault.message
    return ""


def test_the_check_of_commands_finds_a_wrong_one() -> None:
    """A proof for the proofs above."""
    assert _fault(["mailing", "lits"])
    assert _fault(["mailing", "show", "x", "--no-such-option"])
    assert _fault(["mailing", "list", "--state", "IN_DOUBT"])
    assert not _fault(["mailing", "show", "x", "--json"])
    assert len(list(commands.commands())) > 10
