"""Recipients and content for benchmarks: always the same, made as they are written."""

import csv
import random
from pathlib import Path

from mailq.core.message import Content

_CITIES = ("Köln", "Łódź", "Αθήνα", "Porto", "Berlin", "Lyon", "Graz", "Malmö")
_PARAGRAPH = "Spring is here, and so is our sale: everything for your balcony in {{ city }} at half the price until Sunday. "

CONTENT = Content(
    subject="{{ first_name }}, spring is here",
    sender="The Garden Shop <news@shop.example>",
    text="Dear {{ first_name }},\n\n" + _PARAGRAPH * 3 + "\n\nYour code: {{ coupon }}\n",
    html="<html><body><p>Dear <b>{{ first_name }}</b>,</p><p>"
    + _PARAGRAPH * 3
    + "</p><p>Your code: {{ coupon }}</p></body></html>",
)


def write(path: Path, number: int, *, seed: int = 1) -> None:
    """A CSV of so many recipients, all different, all well formed."""
    dice = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["email", "first_name", "city", "coupon"])
        for place in range(number):
            rows.writerow(
                [f"user{place}@example{place % 97}.example", f"Name{place}", dice.choice(_CITIES), f"SPRING-{place:07d}"]
            )
