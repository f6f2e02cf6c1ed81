"""The processes: Celery's consumer side. No decision lives here; put a thread in its place, and mail still goes out."""

from workers.app import app

__all__ = ["app"]
