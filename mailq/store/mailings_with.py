"""Mailings by what their batches are like, found at a cost that follows the mailings found, not their batches."""

THEIRS = "CROSS JOIN LATERAL (SELECT * FROM mailing WHERE mailing.id = found.mailing_id OFFSET 0) AS mailing"
"""Each row of `found` with its mailing. Looked up one by one: the planner cannot know how few are found, and would read all there are."""


def mailings_with(condition: str) -> str:
    """A recursive query `(mailing_id)` of the mailings that have batches of a condition, each once; its last row is null.

    It jumps from one mailing to the next in the partial index over `mailing_id` that has this condition, however many batches each
    has, and stops as soon as whoever reads it has enough.
    """
    first = f"SELECT mailing_id FROM batch WHERE {condition}"  # noqa: S608 - made of our own words
    after = f"{first} AND mailing_id > found.mailing_id"
    return f"""
WITH RECURSIVE found (mailing_id) AS (
    ({first} ORDER BY mailing_id LIMIT 1)
    UNION ALL
    SELECT ({after} ORDER BY mailing_id LIMIT 1) FROM found WHERE found.mailing_id IS NOT NULL)
"""  # noqa: S608 - made of our own words
