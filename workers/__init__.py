"""The processes: Celery's consumer side. No decision lives here; put a thread in its place, and mail still goes out."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workers.app import app

__all__ = ["app"]


def __getattr__(name: str) -> Any:
    """The Celery app, made when `celery -A workers` asks for it: a warden needs none, and starts the sooner."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from workers.app import app  # noqa: PLC0415 - see above

    # The import has put the module in the app's place.
    globals()["app"] = app
    return app
