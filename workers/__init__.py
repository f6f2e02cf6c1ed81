"""The processes: Celery's consumer side. No decision lives here."""
