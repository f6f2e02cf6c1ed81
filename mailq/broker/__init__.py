"""The doorbell: Celery's producer side."""
