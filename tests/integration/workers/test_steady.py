"""A server does not end by itself: not for a killed worker process, and not for a Redis that is away or answers with errors."""

from mailq.local import ports
from tests.support.gateway import Gateway
from tests.support.waiting import eventually


def test_a_worker_process_killed_before_the_server_listens_is_replaced(start_server, broker):
    """Celery looks once, when it has connected, and would end the server."""
    with Gateway(broker.url) as redis:
        server = start_server(redis_url=redis.url, wait=False)
        eventually(lambda: "server.started" in server.log, within=30)
        redis.fall_silent()
        eventually(lambda: len(server.children) == 2, within=30)
        killed = server.children[0]
        killed.kill()
        redis.speak()

        server.wait_ready()
        eventually(lambda: len(server.children) == 2 and killed not in server.children)
        assert server.alive


def test_a_server_goes_on_after_a_redis_that_took_nothing(start_server, broker):
    """For a moment it is the replica of another one, as in every failover."""
    server = start_server()
    processes = {server.pid, *(child.pid for child in server.children)}

    broker.redis.execute_command("REPLICAOF", ports.HOST, ports.free())
    try:
        eventually(lambda: "You can't write against a read only replica" in server.log)
    finally:
        broker.redis.execute_command("REPLICAOF", "NO", "ONE")

    heard = server.log.count(" ready.")
    eventually(lambda: "Connected to" in server.log.rpartition("read only replica")[2], within=20)
    assert heard
    assert {server.pid, *(child.pid for child in server.children)} == processes
