"""The seven state machines: their mappings are the only place where legal steps are written down."""

from collections.abc import Mapping
from enum import StrEnum
from itertools import product

import pytest

from mailq.core import batch, call, conversation, delivery, mailing, notification, server
from mailq.core.transitions import IllegalStep, require

Steps = Mapping[StrEnum, frozenset[StrEnum]]

# Written out a second time, on purpose: a step that slips into a mapping, or out of it, must be noticed here.
LEGAL: dict[str, set[tuple[str, str]]] = {
    "mailing": {
        ("draft", "loading"),
        ("draft", "cancelled"),
        ("draft", "expired"),
        ("loading", "scheduled"),
        ("loading", "running"),
        ("loading", "cancelled"),
        ("loading", "expired"),
        ("scheduled", "running"),
        ("scheduled", "cancelled"),
        ("scheduled", "expired"),
        ("running", "paused"),
        ("running", "finished"),
        ("running", "cancelled"),
        ("running", "expired"),
        ("paused", "running"),
        ("paused", "finished"),
        ("paused", "cancelled"),
        ("paused", "expired"),
        ("finished", "running"),
    },
    "batch": {
        ("ready", "leased"),
        ("ready", "finished"),
        ("ready", "cancelled"),
        ("leased", "ready"),
        ("leased", "waiting"),
        ("leased", "finished"),
        ("leased", "cancelled"),
        ("waiting", "ready"),
        ("waiting", "cancelled"),
        ("finished", "ready"),
    },
    "delivery": {
        *product(("pending", "deferred"), ("sent", "error", "deferred", "in_doubt", "skipped")),
        ("in_doubt", "sent"),
        ("in_doubt", "pending"),
        ("in_doubt", "error"),
        ("error", "pending"),
    },
    "server": {
        ("alive", "alive"),
        ("alive", "draining"),
        ("alive", "stopped"),
        ("alive", "silent"),
        ("draining", "alive"),
        ("draining", "stopped"),
        ("draining", "silent"),
        ("stopped", "alive"),
        ("silent", "alive"),
        ("silent", "stopped"),
    },
    "conversation": {
        ("receiving", "running"),
        ("receiving", "error"),
        ("running", "finished"),
        ("running", "error"),
    },
    "call": {
        ("waiting", "scheduled"),
        ("waiting", "ready"),
        ("waiting", "not_run"),
        ("scheduled", "ready"),
        ("scheduled", "not_run"),
        ("scheduled", "cancelled"),
        ("ready", "finished"),
        ("ready", "error"),
        ("ready", "not_run"),
        ("ready", "cancelled"),
    },
    "notification": {
        ("pending", "sent"),
        ("pending", "error"),
        ("error", "pending"),
    },
}
MACHINES: dict[str, Steps] = {
    "mailing": mailing.NEXT,
    "batch": batch.NEXT,
    "delivery": delivery.NEXT,
    "server": server.NEXT,
    "conversation": conversation.NEXT,
    "call": call.NEXT,
    "notification": notification.NEXT,
}

pytestmark = pytest.mark.parametrize("machine", MACHINES)


def test_every_legal_step_is_taken_and_every_other_is_refused(machine: str) -> None:
    """All pairs of states, not a sample."""
    steps = MACHINES[machine]
    for before, after in product(steps, steps):
        if (before, after) in LEGAL[machine]:
            require(steps, before, after)
        else:
            with pytest.raises(IllegalStep, match=f"no step from {before} to {after}"):
                require(steps, before, after)


def test_every_state_has_its_row_and_leads_only_to_states_of_its_own_machine(machine: str) -> None:
    """A state that was added to the enum and forgotten in the mapping would raise KeyError in the middle of a mailing."""
    steps = MACHINES[machine]
    states = set(type(next(iter(steps))))

    assert set(steps) == states
    assert set().union(*steps.values()) <= states


def test_every_state_can_be_reached_from_the_first(machine: str) -> None:
    """A state nobody can come to is a state nobody has thought about."""
    steps = MACHINES[machine]
    first = next(iter(steps))
    reached, frontier = {first}, [first]
    while frontier:
        for after in steps[frontier.pop()] - reached:
            reached.add(after)
            frontier.append(after)

    assert reached == set(steps)


def test_nobody_can_add_a_step_at_run_time(machine: str) -> None:
    """The CHECKs of the schema and the diagrams were made from what the mapping says in the source."""
    steps = MACHINES[machine]

    with pytest.raises(TypeError):
        steps[next(iter(steps))] = frozenset()  # type: ignore[index]
