"""The usual loop, run by a Python of its own: `smtplib_script.py FACTS.json`. Knows nothing of mailq."""

import csv
import json
import multiprocessing
import resource
import smtplib
import sys
import time
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path

import jinja2
import psycopg2
from psycopg2.extras import execute_values

_TABLE = "CREATE TABLE recipient (id bigint PRIMARY KEY, address text NOT NULL, variables jsonb NOT NULL, sent_at timestamptz)"
_AT_A_TIME = 1000


def load(facts):
    """Put the recipients into a table."""
    with Path(facts["recipients"]).open(newline="", encoding="utf-8") as file:
        rows = [(place, row.pop("email"), json.dumps(row)) for place, row in enumerate(csv.DictReader(file))]
    with psycopg2.connect(**facts["database"]) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS recipient")
        cursor.execute(_TABLE)
        execute_values(cursor, "INSERT INTO recipient (id, address, variables) VALUES %s", rows, page_size=1000)


def send_share(facts, place, barrier, results):
    """Send to every so many-th of the recipients."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    content = facts["content"]
    subject, text = (environment.from_string(content[part]) for part in ("subject", "text"))
    html = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=True).from_string(content["html"])
    connection = psycopg2.connect(**facts["database"])
    relay = smtplib.SMTP(facts["host"], facts["port"])
    barrier.wait()
    began = time.time()
    for number, address, variables in _recipients(connection, place, facts["processes"]):
        message = EmailMessage()
        message["Subject"] = subject.render(variables)
        message["From"] = content["sender"]
        message["To"] = address
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain="shop.example")
        message.set_content(text.render(variables))
        message.add_alternative(html.render(variables), subtype="html")
        relay.send_message(message)
        with connection, connection.cursor() as cursor:
            cursor.execute("UPDATE recipient SET sent_at = now() WHERE id = %s", (number,))
    results.put((began, time.time()))
    relay.quit()


def _recipients(connection, place, processes):
    last = -1
    while True:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, address, variables FROM recipient WHERE sent_at IS NULL AND id > %s AND id %% %s = %s ORDER BY id LIMIT %s",
                (last, processes, place, _AT_A_TIME),
            )
            rows = cursor.fetchall()
        if not rows:
            return
        yield from rows
        last = rows[-1][0]


def send(facts):
    """Send with all processes at once, and say how long it took from the first mail to the last."""
    barrier, results = multiprocessing.Barrier(facts["processes"]), multiprocessing.Queue()
    shares = [
        multiprocessing.Process(target=send_share, args=(facts, place, barrier, results)) for place in range(facts["processes"])
    ]
    for share in shares:
        share.start()
    times = [results.get() for _ in shares]
    for share in shares:
        share.join()
    with psycopg2.connect(**facts["database"]) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(sent_at) FROM recipient")
        sent = cursor.fetchone()[0]
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = max(end for _, end in times) - min(began for began, _ in times)
    return {"sent": sent, "seconds": seconds, "cpu_s": usage.ru_utime + usage.ru_stime}


if __name__ == "__main__":
    with Path(sys.argv[1]).open(encoding="utf-8") as given:
        known = json.load(given)
    print(json.dumps({"load": load, "send": send}[known["step"]](known)))
