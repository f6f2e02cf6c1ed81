"""Sending: end to end and the C program in turns, large messages, and templates that have to be executed."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from tests.benchmarks import end_to_end, recipients, smtp_source
from tests.benchmarks.end_to_end import PROCESSES, SESSIONS, EndToEnd, WorkerServer
from tests.benchmarks.ground import Ground


def measure(ground: Ground) -> dict[str, Any]:
    """Run ours and smtp-source in turns against the same sink, then ours with the other contents."""
    sizes = ground.sizes
    runs: list[EndToEnd] = []
    ceilings = [_ceiling(ground)]
    with end_to_end.worker_server(ground, ground.sink.url, ground.sink.pid) as server:
        for _ in range(sizes.pairs):
            runs.append(server.send(ground.submit(sizes.mails)["mailing"]))
            ceilings.append(_ceiling(ground))
        others = {name: _other(ground, server, name) for name in ("large", "control flow")}
        worker_rss_mb = runs[-1].worker_rss_mb
    ours = sorted(runs, key=lambda run: run.mails_per_s)[len(runs) // 2]
    sent = described(ours, "plain") | {"runs": [round(run.mails_per_s, 1) for run in runs], "sink": ground.sink.name}
    found = {
        "end_to_end": sent,
        "end_to_end_large": others["large"],
        "end_to_end_control_flow": others["control flow"],
        "rss_mb": {"worker": round(worker_rss_mb, 1)},
    }
    rates = [each.mails_per_s for each in ceilings if each]
    if rates:
        found["smtp_source"] = {
            "mails_per_s": round(median(rates), 1),
            "cpu_us_per_mail": round(median(each.cpu_us_per_mail for each in ceilings if each), 1),
            "runs": [round(rate, 1) for rate in rates],
            "ratio": round(ratio([run.mails_per_s for run in runs], rates), 3),
        }
    return found


def ratio(ours: Sequence[float], ceilings: Sequence[float]) -> float:
    """The median of ours by what the ceiling was right before and right after: a machine is not equally quick for minutes."""
    return median(rate * 2 / sum(around) for rate, around in zip(ours, pairwise(ceilings), strict=True))


def _ceiling(ground: Ground) -> smtp_source.Ceiling | None:
    if ground.tools is None:
        return None
    return smtp_source.run(ground.tools, ground.sink, ground.sizes.mails, sessions=PROCESSES * SESSIONS)


def _other(ground: Ground, server: WorkerServer, name: str) -> dict[str, Any]:
    mailing = ground.submit(ground.sizes.mails // 3, name)["mailing"]
    return described(server.send(mailing), name)


def described(run: EndToEnd, name: str) -> dict[str, Any]:
    """A run as the document has it."""
    by_process = dict(run.cpu_us_per_mail)
    main, warden = by_process.pop("main"), by_process.pop("warden")
    named = {"workers": by_process.pop("workers"), "main and warden": main + warden, **by_process}
    return {
        "mails_per_s": round(run.mails_per_s, 1),
        "cpu_us_per_mail": round(sum(named.values()), 1),
        "cpu_us_per_mail_by_process": {each: round(value, 1) for each, value in named.items()},
        "cpu_us_per_mail_without_sink": round(run.ours_us, 1),
        "celery_cpu_us_per_mail": {"main": round(main, 2), "redis": round(by_process["redis"], 2)},
        "celery_percent": round(run.celery_percent, 2),
        "shared_percent": round(run.shared_percent, 1),
        "mails": run.mails,
        "bytes": len(recipients.message(name)),
        "sessions": PROCESSES * SESSIONS,
    }
