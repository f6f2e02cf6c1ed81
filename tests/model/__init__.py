"""An exhaustive checker of the protocol by which batches are owned: every state of a small world, breadth first.

One batch of one to three deliveries, a window, two worker processes on one host or two, their journals, the relay, reclaimers, people,
and a budget of faults. `python -m tests.model` lists the rules, `--remove RULE` shows the shortest trace to what goes wrong
without one, `--search` searches worlds with all rules in place. Read `state.py`, then `process.py`; `cases.py` has the worlds.

What is one step here is one transaction or one write in the code; a step may be followed by a fault of whoever made it. Where two
moments look the same to everybody else they are one: that the relay's reply is read and that R is noted, that the local deadline
passes and that the lease runs out (it ends a margin earlier; `retired` is the case in which it does not).

The lease of a server that was retired by force is over for the ledger at once, for negative evidence only when its local deadline
has passed: `EVIDENCE_AFTER_LEASE` shows the trace.

Not here, because they are about time spent and not about order:

- timeouts and keepalives of every connection, so that a cut-off worker does not hold a row: tests/integration/store;
- a resting relay hands the batch back `waiting`: tests/integration/engine/test_executor.py, tests/unit/core.

The counters themselves, SKIP LOCKED and READ COMMITTED are PostgreSQL's: tests/integration/engine/test_ledger_machine.py.
"""
