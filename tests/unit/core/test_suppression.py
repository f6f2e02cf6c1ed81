"""Who must not be mailed, and by which lane all the same."""

import pytest

from mailq.core.mailing import Lane
from mailq.core.suppression import Reason, stopping


@pytest.mark.parametrize("lane", [Lane.NORMAL, Lane.BULK])
def test_every_reason_stops_a_newsletter(lane):
    assert stopping(lane) == [*Reason]


def test_who_wants_no_newsletters_gets_his_receipt_but_not_who_cannot_or_must_not():
    assert stopping(Lane.TRANSACTIONAL) == [Reason.COMPLAINED, Reason.BOUNCED, Reason.MANUAL]
