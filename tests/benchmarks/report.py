"""A run for people: a table on the terminal, and the same in Markdown between the marks of a page."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from tests.benchmarks import figures
from tests.benchmarks.figures import Figure, shown

Rows = Sequence[Sequence[str]]
Described = tuple[tuple[str, ...], Rows]
_COLUMNS = ("work", "ours", "asked", "stretch", "ours / asked", "")
_PEER_COLUMNS = ("peer", "mails/s", "CPU µs/mail", "ours, mails/s", "ours, CPU µs/mail", "ours / peer", "CPU peer / ours")
_SERVERS = (1, 2, 4, 8)
_WHOLE = ("client", "end_to_end", "first_mail", "accept")
"""A run without one of these does not replace the table of a page."""
_SENT = {"1 KB": "end_to_end", "11 KB": "end_to_end_large", "1 KB, control flow": "end_to_end_control_flow"}
_KINDS = {"plain": "plain expressions, spliced", "large": "the same, 11 KB", "control flow": "control flow, executed"}
_PRODUCERS = {
    "psycopg2": "psycopg2, in its transaction",
    "psycopg": "psycopg 3, in its transaction",
    "async-session-asyncpg": "SQLAlchemy's AsyncSession (asyncpg), in its transaction",
    "own": "a connection of the client's own",
}
_HELD = {"list": "a list", "generator": "a generator"}
_SETTINGS = {
    "up": "accepted while a worker server runs them",
    "maintenance": "accepted in maintenance",
    "down": "accepted without workers and Redis",
}
_COSTS = {"load_us": "loading, PostgreSQL", "postgres_us": "sending, PostgreSQL", "client_us": "sending, worker"}


def show(document: Mapping[str, Any]) -> None:
    """Print what was measured, and on what."""
    if "machine" in document:
        _print("The machine", ("what", "this run"), list(document["machine"].items()))
    whole = set(_WHOLE) <= set(document)
    if rows := [_row(each) for each in figures.of(document) if whole or each.value is not None]:
        _print("What was asked for", _COLUMNS, rows)
    for title, columns, rows in _details(document):
        _print(title, columns, rows)


def write(page: Path, document: Mapping[str, Any]) -> None:
    """Replace what stands between the marks of a page, `<!-- bench:NAME -->` and `<!-- bench:end -->`, with this run's.

    Sections that this run did not measure stay as they are.
    """
    text = page.read_text(encoding="utf-8")
    for name, body in sections(document).items():
        marked = re.compile(rf"(<!-- bench:{name}\b[^>]*-->\n).*?(<!-- bench:end -->)", re.DOTALL)
        text = marked.sub(lambda found, body=body: f"{found[1]}\n{body}\n{found[2]}", text)
    page.write_text(text, encoding="utf-8")


def sections(document: Mapping[str, Any]) -> dict[str, str]:
    """The parts of a page by the names of their marks."""
    found = {}
    if "machine" in document:
        found["machine"] = _markdown(("what", "this run"), list(document["machine"].items()))
    if set(_WHOLE) <= set(document):
        found["figures"] = _markdown(_COLUMNS, [_row(each) for each in figures.of(document)])
    if "end_to_end" in document:
        found["servers"] = _markdown(*_servers(document["end_to_end"]))
    for title, columns, rows in _details(document):
        found[_mark(title)] = _markdown(columns, rows)
    if "against" in document:
        found["peers"] += "".join(f"\n- **{name}**: {each['does']}." for name, each in document["against"].items()) + "\n"
    return found


def names() -> set[str]:
    """The names of all marks."""
    return {"machine", "figures", "servers", *map(_mark, _DETAILS)}


def _mark(title: str) -> str:
    return title.lower().replace(" ", "-")


def _row(figure: Figure) -> tuple[str, ...]:
    target = figure.target
    bound = "≤ " if target.at_most else "≥ "
    unit = f" {target.unit}" if target.unit else ""
    stretch = "" if target.stretch is None else bound + shown(target.stretch)
    ours = shown(figure.value) + (unit if figure.value is not None else "")
    return target.work, ours, f"{bound}{shown(target.asked)}{unit}", stretch, _times(figure.ratio), figure.verdict


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _details(document: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...], Rows]]:
    for title, (section, described) in _DETAILS.items():
        if document.get(section):
            columns, rows = described(document)
            yield title, columns, rows


def _sent(document: Mapping[str, Any]) -> Described:
    sent = {name: document[key] for name, key in _SENT.items() if key in document}
    parts = list(document["end_to_end"]["cpu_us_per_mail_by_process"])
    rows = []
    for name, each in sent.items():
        by_process = each["cpu_us_per_mail_by_process"]
        totals = (each["cpu_us_per_mail_without_sink"], each["mails_per_s"], each["bytes"])
        rows.append((name, *(shown(by_process[part]) for part in parts), *(shown(total) for total in totals)))
    return ("CPU µs per mail", *parts, "without sink", "mails/s", "bytes"), rows


def _turns(document: Mapping[str, Any]) -> Described:
    runs = {"smtp-source": document["smtp_source"], "mailq": document["end_to_end"]}
    rows = [(name, shown(each["mails_per_s"]), ", ".join(map(shown, each["runs"]))) for name, each in runs.items()]
    return ("the same sink in turns", "mails/s, median", "each run"), rows


def _rendered(document: Mapping[str, Any]) -> Described:
    made = document["rendering"]
    return ("templates", "CPU µs", "bytes"), [
        (_KINDS[name], shown(made[name]["cpu_us"]), shown(made[name]["bytes"])) for name in made
    ]


def _accepted(document: Mapping[str, Any]) -> Described:
    accept, largest = document["accept"], document.get("accept_largest")
    rows = [
        (shown(accept["recipients"]), shown(accept["recipients_per_s"]), shown(accept["rss_mb"]), shown(accept["suppressions"]))
    ]
    if largest:
        rows.append((shown(largest["recipients"]), shown(largest["recipients_per_s"]), shown(largest["rss_mb"]), ""))
    return ("recipients of a submit", "recipients/s", "peak MB", "suppressions in the table"), rows


def _by_python(document: Mapping[str, Any]) -> Described:
    found = document["doors_python"]
    rows = [("a file, by the command line", shown(found["file_recipients_per_s"]), "", "", "")]
    for name, each in found["doors"].items():
        kind, held = name.split()
        figures_of = (each["recipients_per_s"], each["by_the_file"], each["client_cpu_us_per_recipient"], each["rss_mb"])
        rows.append((f"{_PRODUCERS[kind]}, {_HELD[held]}", *map(shown, figures_of)))
    return ("recipients from", "recipients/s", "beside the file", "client, CPU µs", "peak MB"), rows


def _by_http(document: Mapping[str, Any]) -> Described:
    rows = []
    for what in ("messages", "recipients"):
        each = document[f"http_{what}"]
        costs = (each[f"{part}_cpu_us"] for part in ("api", "postgres", "client"))
        latencies = (each["median_ms"], each["p99_ms"])
        rows.append((f"{shown(each[what])} {what}", shown(each[f"{what}_per_s"]), *map(shown, costs), *map(shown, latencies)))
    return ("over HTTP", "per second", "API, CPU µs", "PostgreSQL", "client", "answer, median ms", "99 %, ms"), rows


def _called(document: Mapping[str, Any]) -> Described:
    found = document["calls"]
    rows = []
    for name, each in found["accepted"].items():
        costs = (each[f"{part}_cpu_us"] for part in ("api", "postgres", "client"))
        latencies = (each["median_ms"], each["p99_ms"])
        rows.append((_SETTINGS[name], shown(each["calls_per_s"]), *map(shown, costs), *map(shown, latencies)))
    run, conversation = found["run"], found["conversation"]
    rows.append((f"{shown(run['calls'])} calls run, a message each", shown(run["calls_per_s"]), *[""] * 5))
    told = f"a conversation of {shown(conversation['parts'])} parts, {shown(conversation['seconds'])} s in all"
    rows.append((told, shown(conversation["parts"] / conversation["seconds"]), *[""] * 5))
    return ("calls", "per second", "API, CPU µs", "PostgreSQL", "client", "at 250/s: answer, median ms", "99 %, ms"), rows


def _scaled(document: Mapping[str, Any]) -> Described:
    found = document["scale"]
    pairs = {f"{_COSTS[name]}, CPU µs per mail": pair for name, pair in found["cpu_us_per_mail"].items()}
    pairs |= {f"{name}, ms": pair for name, pair in found["queries_ms"].items()}
    rows = [(name, shown(pair["few"]), shown(pair["many"]), _times(pair["ratio"])) for name, pair in pairs.items()]
    few, many = (f"{number:,} deliveries" for number in found["deliveries"])
    return ("cost", few, many, "ratio"), rows


def _compared(document: Mapping[str, Any]) -> Described:
    return _PEER_COLUMNS, [_peer(name, each) for name, each in document["against"].items()]


_DETAILS: dict[str, tuple[str, Callable[[Mapping[str, Any]], Described]]] = {
    "Sending": ("end_to_end", _sent),
    "In turns": ("smtp_source", _turns),
    "Messages": ("rendering", _rendered),
    "Accepting": ("accept", _accepted),
    "Doors in Python": ("doors_python", _by_python),
    "Doors over HTTP": ("http_messages", _by_http),
    "Calls": ("calls", _called),
    "Growth": ("scale", _scaled),
    "Peers": ("against", _compared),
}
"""By title: the section of the document that it needs, and how it is told."""


def _peer(name: str, found: Mapping[str, Any]) -> tuple[str, ...]:
    peer, ours = found["peer"], found["ours"]
    return (
        f"{name} {found['version']}".strip(),
        shown(peer["mails_per_s"]),
        shown(peer["cpu_us_per_mail"]),
        shown(ours["mails_per_s"]),
        shown(ours["cpu_us_per_mail"]),
        _times(found["ratio"]),
        _times(found["cpu_ratio"]),
    )


def _servers(sent: Mapping[str, Any]) -> tuple[tuple[str, ...], Rows]:
    """The arithmetic: what a core of a worker server and a core of the shared servers can carry."""
    by_process = sent["cpu_us_per_mail_by_process"]
    shared = by_process["postgres"] + by_process["redis"]
    own = sent["cpu_us_per_mail_without_sink"] - shared
    rows = []
    for servers in _SERVERS:
        workers = servers * 2 * 1e6 / own
        rows.append((str(servers), shown(workers), shown(workers * shared / 1e6), shown(2e6 / shared)))
    columns = (
        "worker servers of 2 cores",
        "they can send, mails/s",
        "cores of PostgreSQL that takes",
        "2 cores of PostgreSQL can book, mails/s",
    )
    return columns, rows


def _print(title: str, columns: Sequence[str], rows: Rows) -> None:
    table = Table(*columns, title=title, box=box.SIMPLE, title_justify="left", title_style="bold")
    # Names on the left, then numbers; a table of two columns has words in both.
    for column in table.columns[1:5] if len(columns) > 2 else ():
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    Console(width=None if Console().is_terminal else 150).print(table)


def _markdown(columns: Sequence[str], rows: Rows) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
