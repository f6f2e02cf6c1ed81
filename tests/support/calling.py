"""Calls whose effect is a word in a table: what has run, in which order and how often, is read there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from mailq.core.call import Method, RespondWhen, ResponseType
from mailq.engine.calls.kind import Done, Kind, Means
from mailq.engine.calls.order import CallOrder, Response
from mailq.engine.calls.receiving import Received, Refusal, receive
from mailq.engine.calls.responses import EndedCall, EndedConversation
from mailq.engine.calls.running import Runner
from mailq.engine.calls.terms import Terms
from mailq.errors import BadInput
from mailq.store.database import Database, Transactions

TERMS = Terms()
ANSWER = Response(ResponseType.HTTP_POST, "https://hooks.example/answers", RespondWhen.ALWAYS)
Act = Callable[[Connection], None]


def say(word: str, **more: Any) -> Mapping[str, Any]:
    """An object that comes to a word in the table."""
    return {"type": "word", "word": word} | more


def refused(word: str = "no", **more: Any) -> Mapping[str, Any]:
    """An object that says its word, and is then refused."""
    return say(word, refused=True) | more


def order(*objects: Mapping[str, Any] | str, **options: Any) -> CallOrder:
    """A call; a mere word stands for its object."""
    return CallOrder(Method.CREATE, tuple(say(each) if isinstance(each, str) else each for each in objects), **options)


def part(code: int, length: int, *objects: Mapping[str, Any] | str, of: str = "c", **options: Any) -> CallOrder:
    """A part of a conversation; it says its place unless something else is given."""
    place = {"conversation_id": of, "sequence_code": code, "calls_in_conversation": length}
    return order(*(objects or (f"{of}{code}",)), **place | options)


def no_organization(organization_id: int) -> Means:
    """Means that name an organization and nothing else."""
    return Means(organization_id)


@dataclass
class Answers:
    """Keeps what it was asked to answer."""

    calls: list[EndedCall] = field(default_factory=list)
    conversations: list[EndedConversation] = field(default_factory=list)

    def call(self, _: Connection, ended: EndedCall) -> None:
        """A call has ended."""
        self.calls.append(ended)

    def conversation(self, _: Connection, ended: EndedConversation) -> None:
        """A conversation has ended."""
        self.conversations.append(ended)


class Calling:
    """A database in which calls about words can be received and run.

    `acts` are done by the objects that name one, in the transaction of their call.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.acts: dict[str, Act] = {}
        self.answers = Answers()
        self.kinds = {"word": Kind("word", "a word", dict.fromkeys(Method, self._deed), {})}
        with database.begin() as tx:
            tx.execute(text("CREATE TABLE word (id bigint GENERATED ALWAYS AS IDENTITY, organization_id bigint, word text)"))

    def receive(self, *orders: CallOrder, organization_id: int = 1, terms: Terms = TERMS) -> list[Received | Refusal]:
        """Receive calls in one transaction of their own."""
        with self.database.begin() as tx:
            return receive(tx, organization_id, orders, terms=terms)

    def runner(self, database: Transactions | None = None, **options: Any) -> Runner:
        """Somebody who runs calls."""
        chosen = {"terms": TERMS, "kinds": self.kinds} | options
        return Runner(database or self.database, no_organization, self.answers, **chosen)

    def run_all(self, runner: Runner | None = None) -> None:
        """Run what can be run."""
        running = runner or self.runner()
        while running.run_due():
            pass

    def words(self) -> list[str]:
        """What has been said, in the order in which it was."""
        return [row.word for row in self.rows("SELECT word FROM word ORDER BY id")]

    def rows(self, statement: str, **facts: Any) -> Sequence[Any]:
        """What the database says."""
        with self.database.begin() as tx:
            return tx.execute(text(statement), facts).all()

    def change(self, statement: str, **facts: Any) -> int:
        """Change something behind everybody's back; how many rows."""
        with self.database.begin() as tx:
            return tx.execute(text(statement), facts).rowcount

    def states(self) -> list[str]:
        """Those of all calls, in the order of receipt."""
        return [row.state for row in self.rows("SELECT state FROM call ORDER BY id")]

    def conversation(self, key: str = "c") -> Any:
        """A conversation's row."""
        [row] = self.rows("SELECT * FROM conversation WHERE key = :key", key=key)
        return row

    def results(self) -> list[tuple[str, str]]:
        """Status and message of all results."""
        return [tuple(row) for row in self.rows("SELECT status, message FROM call_result ORDER BY call_id, ordinal")]

    def _deed(self, tx: Connection, means: Means, given: Mapping[str, Any]) -> Done:
        facts = {"organization_id": means.organization_id, "word": given["word"]}
        tx.execute(text("INSERT INTO word (organization_id, word) VALUES (:organization_id, :word)"), facts)
        if given.get("refused"):
            raise BadInput(f"`{given['word']}` is not said here", field="/word")
        if (act := self.acts.get(given.get("act", ""))) is not None:
            act(tx)
        return Done(f"said `{given['word']}`", object_id=f"wrd_{given['word']}", details={"length": len(given["word"])})
