"""Names on the broker: stable, because what is queued outlives a refactoring."""

from mailq.core.mailing import Lane

SEND_BATCH = "mailq.send_batch"
RESTART = "mailq.restart"

QUEUES = {lane: f"mailq.{lane}" for lane in Lane}
GENERATE = "mailq.generate"
UPKEEP = "mailq.upkeep"
EVERY_QUEUE = (*QUEUES.values(), GENERATE, UPKEEP)

GENERATION_KEY = "mailq:generation"
