"""Calls as the orders of the engine: whatever can be wrong with one, without asking the database, is found here."""

from mailq.client import calls
from mailq.client.call_values import Call
from mailq.engine.calls import order as orders
from mailq.engine.calls.addresses import UNJUDGED
from mailq.engine.calls.order import CallOrder


def call_order(call: Call) -> CallOrder:
    """The order of a call. Whether its answers may be sent is judged by who sends them, whose settings are not known here.

    Raises:
        BadInput: `field` is a JSON pointer to what is at fault.
    """
    return orders.read(calls.document(call), policy=UNJUDGED)
