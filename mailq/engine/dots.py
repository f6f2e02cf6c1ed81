"""What a pass notes of its final dots, so that whoever reclaims its batch knows which of them may have left."""

from collections.abc import Callable

from mailq.engine.ports import Journal


class Dots:
    """The journal as one pass writes it. No method raises: what could not be noted is kept in `error`, and no dot leaves then.

    Args:
        failed: called at the first note that could not be written.
    """

    def __init__(self, journal: Journal, batch_id: int, fence: int) -> None:
        self._journal = journal
        self._batch_id = batch_id
        self._fence = fence
        # The tries whose dots have left or are about to, and how many of a delivery came to nothing before.
        self._left: dict[int, int] = {}
        self._spent: dict[int, int] = {}
        self.failed: Callable[[], None] = lambda: None
        self.error: OSError | None = None

    def starts(self, seq: int) -> bool:
        """Note that a dot is about to leave; whether that was noted, without which it may not."""
        if self.error is not None:
            return False
        attempt = self._spent.get(seq, 0) + 1
        try:
            self._journal.started(self._batch_id, self._fence, seq, attempt)
        except OSError as error:
            self._fail(error)
            return False
        self._left[seq] = attempt
        return True

    def came_to_nothing(self, seq: int) -> None:
        """Note that the last try of a delivery came to nothing for certain, if its dot was about to leave."""
        attempt = self._left.pop(seq, None)
        if attempt is not None:
            self._spent[seq] = attempt
            try:
                self._journal.abandoned(self._batch_id, self._fence, seq, attempt)
            except OSError as error:
                self._fail(error)

    def answered(self, seq: int, code: int) -> None:
        """Note the relay's reply to a dot."""
        attempt = self._left.pop(seq, None)
        if attempt is not None:
            self._spent[seq] = attempt
            try:
                self._journal.replied(self._batch_id, self._fence, seq, attempt, code)
            except OSError as error:
                self._fail(error)

    def _fail(self, error: OSError) -> None:
        if self.error is None:
            self.error = error
            self.failed()
