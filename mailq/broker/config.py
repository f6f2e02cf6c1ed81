"""Celery's settings, the same for producers and workers. Each deviation from a default has its reason beside it."""

from typing import Any

from kombu import Exchange, Queue

from mailq.broker import names


def celery_settings(redis_url: str) -> dict[str, Any]:
    """The configuration of a Celery app that rings or hears mailq's doorbell."""
    return {
        "broker_url": redis_url,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A Redis that is full, or for a moment the replica of another one, answers with errors: no reason to end.
        "broker_channel_error_retry": True,
        "broker_pool_acquire_timeout": 30,
        "broker_transport_options": {
            "visibility_timeout": 3600,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            "queue_order_strategy": "priority",
            # A stop may have to wait for one answer that does not come.
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "max_retries": 2,
        },
        # Whoever rings does not wait for a broker that is away: upkeep rings again.
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5},
        # What became of a batch is in Postgres; a result backend would make publishing subscribe, and hang with Redis.
        "result_backend": None,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        # Early: the lease in Postgres is the acknowledgement. Late on Redis runs a task again after every dropped connection.
        "task_acks_late": False,
        "task_reject_on_worker_lost": False,
        "worker_disable_prefetch": True,
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # On Redis 0 is the highest priority, and no priority is 0: without this whatever is unprioritised outranks the rest.
        "task_default_priority": 6,
        # An exchange and key per queue: with the default ones every queue would be bound to the same key.
        "task_queues": [Queue(name, Exchange(name, type="direct"), routing_key=name) for name in names.EVERY_QUEUE],
        "task_default_queue": names.UPKEEP,
        "task_create_missing_queues": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "timezone": "UTC",
        # No time limits: they would kill a batch that waits for a dot. The executor hands a batch back after some minutes.
        "task_soft_time_limit": None,
        "task_time_limit": None,
        "worker_max_tasks_per_child": None,
        "worker_max_memory_per_child": 400_000,
        "worker_proc_alive_timeout": 30,
        "worker_send_task_events": True,
        "task_send_sent_event": True,
        "worker_hijack_root_logger": False,
    }
