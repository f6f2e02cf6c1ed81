"""A second server of the same id starts in the middle of a mailing, as a copied configuration has it."""

from tests.scenarios.brisk import SHORT_LEASE
from tests.scenarios.holdings import at_work, held_by
from tests.scenarios.ledgers import ledgers_agree
from tests.support.fleets import seen
from tests.support.waiting import eventually


def test_the_second_one_is_refused_and_the_mailing_goes_on_as_if_nobody_had_come(submit, start_server, sink, database):
    """From another home, as on another host: by its renewals the first one is known to live."""
    sink.rules("delay=300ms")
    first = start_server("one", concurrency=1, **SHORT_LEASE)
    eventually(lambda: at_work(database, "one"), within=30)
    posted = submit(600, batch_size=200)
    eventually(lambda: held_by(database, "one") == 1, within=20)
    before = seen(database, "one").standing

    second = start_server("one", home="elsewhere", concurrency=1, wait=False, **SHORT_LEASE)
    code = second.process.child.process.wait(30)
    second.process.child.stopped = True

    assert code == 5
    words = next(line for line in second.log.splitlines() if line.startswith("mailq: server one is alive"))
    assert f"on host {before.place.host}" in words
    assert f"as process {first.pid} since {before.started_at:%Y-%m-%d %H:%M:%S} UTC" in words
    assert not posted.finished
    sink.rules()
    eventually(lambda: posted.finished, within=20)
    books = ledgers_agree(posted, sink)
    assert (books.num_sent, books.num_in_doubt) == (600, 0)
    after = seen(database, "one").standing
    assert (after.incarnation, after.place.pid) == (before.incarnation, first.pid)
