"""A leader is stopped while it posts to a receiver that does not answer: it ends in time, and the next one posts the same again."""

from sqlalchemy import text

from tests.support.call_running import send, suppress
from tests.support.receivers import TAKEN, receiving
from tests.support.waiting import eventually


def notification(database):
    with database.begin() as tx:
        return tx.execute(text("SELECT state, attempts, due_at <= clock_timestamp() AS is_due FROM notification")).one()


def test_what_was_being_posted_is_due_again_and_sent_by_the_next(start_server, database):
    """Under the same id, by which its receiver knows it."""
    settings = {"calls__webhook_networks": "127.0.0.0/8", "calls__webhook_timeout": "1m"}
    first = start_server(**settings)

    def script(caller, _):
        if len(caller.receiver.received) == 1:
            caller.hold()
        caller.say(TAKEN)

    with receiving(script) as receiver:
        wanted = {"response_type": "http_post", "response_address": receiver.url, "respond_when": "always"}
        send(database, suppress("eve@example.com", send_response_to=[wanted]))
        eventually(receiver.ids)

        first.terminate()

        assert first.wait_ended() == 0
        assert tuple(notification(database)) == ("pending", 0, True)
        start_server("two", **settings)
        eventually(lambda: notification(database).state == "sent", within=20)
        receiver.let_go.set()
        assert receiver.ids() == [receiver.ids()[0]] * 2
