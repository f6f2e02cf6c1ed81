"""Suppressions by calls: put down, changed, taken back; those of nobody else."""

import pytest

from mailq.core.call import Method
from mailq.engine.calls.kinds import is_guarded
from mailq.errors import BadInput, NotFound
from mailq.store import suppressions

ANN = {"type": "suppression", "address": "Ann@X.Example"}


@pytest.fixture
def known(database, us):
    """What is known of ann's suppression: reason and note."""

    def known():
        with database.begin() as tx:
            found = suppressions.find(tx, us, "ann@x.example")
            return found and (found.reason, found.note)

    return known


def test_an_address_is_suppressed_by_its_key(do, known):
    """In whatever case it is written; `manual` unless it is said otherwise."""
    done = do("create", **ANN, note="asked by phone")

    assert known() == ("manual", "asked by phone")
    assert done.details == {"created": True, "reason": "manual"}


def test_one_that_is_suppressed_stays_as_it_is(do, known):
    """The result says why it is suppressed."""
    do("create", **ANN, reason="complained")

    done = do("create", **ANN, reason="manual", note="again")

    assert known() == ("complained", None)
    assert done.details == {"created": False, "reason": "complained"}


def test_what_is_said_is_changed_and_the_rest_stays(do, known):
    """`null` takes the note away."""
    do("create", **ANN, note="asked by phone")

    do("update", **ANN, reason="bounced")
    assert known() == ("bounced", "asked by phone")
    do("update", **ANN, note=None)
    assert known() == ("bounced", None)


def test_one_that_is_deleted_may_be_mailed_again(do, known):
    """Once: the second time there is none."""
    do("create", **ANN)

    do("delete", **ANN)

    assert known() is None
    with pytest.raises(NotFound, match=r"ann@x\.example is not suppressed"):
        do("delete", **ANN)


@pytest.mark.parametrize(("method", "said"), [("update", {"reason": "manual"}), ("delete", {})])
def test_those_of_others_are_not_found(do, they, known, method, said):
    """And stay as they are."""
    do("create", **ANN, reason="complained")

    with pytest.raises(NotFound):
        they(method, **ANN, **said)
    assert known() == ("complained", None)


@pytest.mark.parametrize(
    ("method", "said", "pointer"),
    [
        ("create", {}, "/address"),
        ("create", {"address": "nobody"}, "/address"),
        ("create", {"address": "ann@x.example", "reason": "boredom"}, "/reason"),
        ("create", {"address": "ann@x.example", "note": "a\nb"}, "/note"),
        ("create", {"address": "ann@x.example", "note": "x" * 1001}, "/note"),
        ("update", {"address": "ann@x.example"}, ""),
        ("update", {"address": "ann@x.example", "reason": None}, "/reason"),
        ("delete", {"address": "ann@x.example", "reason": "manual"}, "/reason"),
        ("perform", {"address": "ann@x.example"}, "/type"),
    ],
)
def test_what_is_at_fault_is_named(do, method, said, pointer):
    """When the call is accepted."""
    with pytest.raises(BadInput) as refused:
        do(method, type="suppression", **said)

    assert refused.value.field == f"/objects/0{pointer}"


def test_only_administrators_take_suppressions_back():
    """Whoever may send must not undo what keeps him from it."""
    assert [each for each in Method if is_guarded(each, ANN)] == [Method.UPDATE, Method.DELETE]
