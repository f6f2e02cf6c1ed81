"""Settings by which a scenario sees the end of a lease within seconds; a start of a warden on a busy machine fits in."""

SESSIONS = 5
"""SMTP sessions of a worker process: so many final dots of it are under way at most."""

WINDOW = 2 * SESSIONS
"""So many deliveries of a worker process are open at most."""

SHORT_LEASE = {"lease__ttl": "4s", "lease__heartbeat": "500ms", "lease__margin": "500ms", "failover_after": "5s"}
