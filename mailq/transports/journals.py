"""The journals of other processes, as the files on this host have them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mailq import telemetry
from mailq.core.journal import TornJournal
from mailq.engine.ports import LeftBehind, Leftover
from mailq.transports.journal import SUFFIX, Found, Header, read_any_dead
from mailq.transports.journal import boot_id as this_boot

log = telemetry.logger(__name__)


def directory(home: Path) -> Path:
    """Where the journals of a home are."""
    return home.absolute() / "journal"


@dataclass(frozen=True, slots=True)
class FileJournals:
    """Journals in this server's home, and in the homes of other servers on this host.

    Attributes:
        home: this server's own.
        life: says which life of the books this is: the journals of another one say nothing about this one's batches. Asked
            each time, because an accepted restore begins a new one while the processes go on.
    """

    home: Path
    life: Callable[[], str]

    def read(self, nonce: str | None, *, incarnation: int, home: str | None, boot_id: str | None) -> LeftBehind:
        """Read the journal of this nonce; `home` and `boot_id` are those of its server, where it started last."""
        if nonce is None or not nonce.isalnum():
            return LeftBehind()
        expected = Header(self.life(), this_boot(), incarnation, nonce)
        for place in self._places(home, boot_id):
            left = self._read(directory(place) / f"{nonce}{SUFFIX}", expected)
            # One that proves nothing, a copy perhaps, must not hide the one that does.
            if left is not None and (left.lives or left.records is not None):
                return left
        return LeftBehind()

    def leftovers(self) -> list[Leftover]:
        """The journals of dead processes in this server's home, of whatever server."""
        paths = sorted(directory(self.home).glob(f"*{SUFFIX}"))
        life = self.life() if paths else ""
        found = (self._leftover(path, life) for path in paths)
        return [one for one in found if one is not None]

    def remove(self, nonce: str) -> None:
        """Remove a leftover journal."""
        (directory(self.home) / f"{nonce}{SUFFIX}").unlink(missing_ok=True)

    def _places(self, home: str | None, boot: str | None) -> list[Path]:
        # The recorded home of a server on another host names a directory there, not here.
        other = [Path(home)] if home and boot == this_boot() and Path(home).absolute() != self.home.absolute() else []
        return [self.home, *other]

    @staticmethod
    def _read(path: Path, expected: Header) -> LeftBehind | None:
        """What the file proves; None if there is none."""
        try:
            found = read_any_dead(path)
        except BlockingIOError:
            return LeftBehind(lives=True)
        except FileNotFoundError:
            return None
        except (OSError, TornJournal) as error:
            log.warning("journal.proves_nothing", path=str(path), why=str(error))
            return LeftBehind()
        return LeftBehind(records=found.records) if found.header == expected else LeftBehind()

    @staticmethod
    def _leftover(path: Path, life: str) -> Leftover | None:
        try:
            found: Found | None = read_any_dead(path)
        except (BlockingIOError, FileNotFoundError):
            return None
        except TornJournal as error:
            log.warning("journal.proves_nothing", path=str(path), why=str(error))
            found = None
        except OSError as error:
            log.warning("journal.unreadable", path=str(path), error=str(error))
            return None
        if found is None or found.header.boot != this_boot() or found.header.nonce != path.stem:
            return Leftover(path.stem, None)
        # Another database's journal may be needed by its own servers yet, while this boot lasts.
        return Leftover(path.stem, found.records) if found.header.database == life else None
