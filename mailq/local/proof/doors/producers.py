"""Producers as web apps are: each hands over one mailing or message after the other, and tries again under the same key."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from random import Random

from mailq.client import Mailing, Message, Recipient
from mailq.client.doors import Door
from mailq.errors import MailqError, Unavailable
from mailq.local.proof.through_api import Working

_SENDER = "Shop <shop@mailq.example>"
_SHARE_OF_MESSAGES = 0.8
_SHARE_REPEATED = 0.15
_TRY_AGAIN_AFTER_S = 0.1


@dataclass(frozen=True, slots=True)
class Given:
    """What was handed over under one key: a message, or a mailing where there are several addresses."""

    key: str
    addresses: tuple[str, ...]

    @property
    def is_message(self) -> bool:
        """Whether it is a single message."""
        return self.key.startswith("message")


@dataclass
class Confirmed:
    """What one producer was told.

    Attributes:
        ids: the public id it was given for each key.
        num_retries: how often the API did not answer though the client had tried for a while.
        faults: answers that must not be, in words.
    """

    given: dict[str, Given] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    num_retries: int = 0
    num_repeated: int = 0
    faults: list[str] = field(default_factory=list)


class Producer(Working):
    """Hands over messages and mailings, one after the other."""

    def __init__(self, number: int, connect: Callable[[], Door], *, seed: int, most_recipients: int) -> None:
        super().__init__(str(number))
        self.confirmed = Confirmed()
        self._number = number
        self._connect = connect
        self._dice = Random(f"{seed}/{number}")
        self._most_recipients = most_recipients

    def _run(self) -> None:
        with closing(self._connect()) as door:
            number = 0
            while not self._ending.is_set():
                number += 1
                given = self._next(number)
                self.confirmed.given[given.key] = given
                self._hand_over(door, given)
                if self._dice.random() < _SHARE_REPEATED:
                    # As an app does whose own answer was lost.
                    self.confirmed.num_repeated += 1
                    self._hand_over(door, self._dice.choice(list(self.confirmed.given.values())))

    def _next(self, number: int) -> Given:
        if self._dice.random() < _SHARE_OF_MESSAGES:
            return Given(f"message-{self._number}-{number}", (f"p{self._number}m{number}@mail.example",))
        size = self._dice.randint(2, self._most_recipients)
        addresses = tuple(f"p{self._number}m{number}r{row}@mail.example" for row in range(1, size + 1))
        return Given(f"mailing-{self._number}-{number}", addresses)

    def _hand_over(self, door: Door, given: Given) -> None:
        while not self._given_up.is_set():
            try:
                self._note(given, _send(door, given))
            except Unavailable:
                self.confirmed.num_retries += 1
                self._given_up.wait(_TRY_AGAIN_AFTER_S)
            except MailqError as error:
                self.confirmed.faults.append(f"{given.key} was refused: {error}")
                return
            else:
                return

    def _note(self, given: Given, identity: str) -> None:
        known = self.confirmed.ids.setdefault(given.key, identity)
        if known != identity:
            self.confirmed.faults.append(f"{given.key} was {known}, and is {identity} when it is sent again")


def _send(door: Door, given: Given) -> str:
    """Hand it over; the public id."""
    if given.is_message:
        message = Message(to=given.addresses[0], subject="Your order", sender=_SENDER, text="It is on its way.\n", key=given.key)
        return door.send([message])[0].id
    mailing = Mailing(name=given.key, subject="Hello {{ name }}", sender=_SENDER, text="Dear {{ name }}\n", key=given.key)
    recipients = (Recipient(address, {"name": address.partition("@")[0]}) for address in given.addresses)
    return door.submit(mailing, recipients).id
