"""A mailing in one line, as the frameworks' commands say it."""

from mailq.client import Progress


def line(progress: Progress) -> str:
    """How far it is, and what came of it."""
    done = progress.num_profiles - progress.num_pending - progress.num_deferred
    counts = f"{done:,}/{progress.num_profiles:,} sent={progress.num_sent:,} errors={progress.num_errors:,}"
    return f"{progress.id}  {progress.state:<9}  {counts} in_doubt={progress.num_in_doubt:,}  {progress.name}"
