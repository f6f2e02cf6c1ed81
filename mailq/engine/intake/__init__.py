"""Intake: where recipients come from. One file, read in a stream; `open_source` is the way in."""

from mailq.engine.intake.record import Record
from mailq.engine.intake.source import STDIN, Source, open_source, read_file

__all__ = ["STDIN", "Record", "Source", "open_source", "read_file"]
