"""Copies of recipient lists in mailings: PostgreSQL copies them itself, a batch at a time, whatever their size."""

from typing import NamedTuple

from sqlalchemy import Connection, text

_ACTIVE = """
  FROM recipient_list_member AS member LEFT JOIN subscriber ON subscriber.id = member.subscriber_id
 WHERE member.recipient_list_id = :list_id AND (subscriber.id IS NULL OR subscriber.status = 'active')
"""
_VARIABLES = "coalesce(subscriber.attributes, '{}') || member.variables"
_LOOK_AHEAD = 1000


class Copied(NamedTuple):
    """A batch that was copied: how many recipients, and the member behind whom the next one begins."""

    num_profiles: int
    last_member: int | None


_NAMES = text(f"""
SELECT count(*), array_agg(DISTINCT name) FILTER (WHERE name IS NOT NULL)
  FROM (SELECT {_VARIABLES} AS variables {_ACTIVE} ORDER BY member.id LIMIT {_LOOK_AHEAD}) AS sample
  LEFT JOIN LATERAL jsonb_object_keys(sample.variables) AS name ON true
""")  # noqa: S608 - made of our own words


def names(tx: Connection, list_id: int) -> frozenset[str] | None:
    """The variables that the first 1,000 recipients of a list have; None if it has no recipients."""
    num, found = tx.execute(_NAMES, {"list_id": list_id}).one()
    return frozenset(found or ()) if num else None


_COPY = text(f"""
WITH chosen AS (
    SELECT member.id, coalesce(subscriber.address, member.address) AS address, {_VARIABLES} AS variables {_ACTIVE}
       AND member.id > :after
     ORDER BY member.id LIMIT :most),
numbered AS (SELECT *, CAST(:first_seq AS integer) + CAST(row_number() OVER (ORDER BY id) AS integer) - 1 AS seq FROM chosen),
made AS (
    INSERT INTO batch (mailing_id, number, first_seq, last_seq, watermark, num_profiles)
    SELECT :mailing_id, :number, min(seq), max(seq), min(seq) - 1, count(*) FROM numbered HAVING count(*) > 0
    RETURNING id),
stored AS (
    INSERT INTO delivery (mailing_id, batch_id, seq, address, variables)
    SELECT :mailing_id, made.id, seq, address, variables FROM numbered, made)
SELECT count(*), max(id) FROM numbered
""")  # noqa: S608 - made of our own words


def copy_batch(tx: Connection, list_id: int, mailing_id: int, *, number: int, first_seq: int, most: int, after: int) -> Copied:
    """Store the next recipients of a list as a batch of a mailing that is loading; nothing at the end of the list.

    Args:
        after: behind which member they are.
    """
    facts = {"list_id": list_id, "mailing_id": mailing_id, "number": number, "first_seq": first_seq, "most": most, "after": after}
    return Copied._make(tx.execute(_COPY, facts).one())
