"""A shop with members and a newsletter: `flask --app app run`."""

import os
import sys

from flask import Flask, redirect, render_template, request, url_for
from sqlalchemy import create_engine, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

from mailq import Mailing, Message
from mailq.contrib.flask import Mailq

SENDER = "Shop <shop@mailq.example>"

app = Flask(__name__)
URL = os.environ.get("DATABASE_URL") or sys.exit("set DATABASE_URL; ./run up --with-worker starts a stack")
app.config["MAILQ_URL"] = URL
mailq = Mailq(app)

engine = create_engine(URL.replace("postgresql://", "postgresql+psycopg2://"))
Session = sessionmaker(engine)


class Base(DeclarativeBase):
    """The shop's own tables."""


class Member(Base):
    """Somebody who signed up."""

    __tablename__ = "flask_member"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    address: Mapped[str] = mapped_column(unique=True)


class Declined(Exception):
    """The card is not good."""


def charge(card: str) -> None:
    """A stand-in for what may fail after the mail was written."""
    if card == "declined":
        raise Declined


@app.cli.command()
def migrate():
    """Make the shop's tables."""
    Base.metadata.create_all(engine)


@app.get("/")
def home():
    """Two forms."""
    with Session() as session:
        return render_template("home.html", members=session.scalar(select(func.count(Member.id))))


@app.post("/sign-up")
def sign_up():
    """A member and the mail to welcome them, or neither."""
    with Session.begin() as session:
        session.add(Member(name=request.form["name"], address=request.form["address"]))
        text = f"Dear {request.form['name']},\n\nwelcome to the shop.\n"
        mailq.within(session).send(Message(request.form["address"], "Welcome", SENDER, text))
        charge(request.form["card"])
    return redirect(url_for("home"))


@app.errorhandler(Declined)
def declined(_error):
    """The transaction was rolled back, and the mail with it."""
    return "your card was declined", 402


@app.errorhandler(IntegrityError)
def known(_error):
    """So it was here."""
    return "you are a member already", 409


@app.post("/newsletters")
def send_newsletter():
    """One mailing to all members. Subject and text are templates over each member's variables."""
    with Session() as session:
        members = session.execute(select(Member.address, Member.name).order_by(Member.id)).yield_per(1000)
        recipients = ({"address": address, "variables": {"name": name}} for address, name in members)
        taken = mailq.submit(Mailing("newsletter", request.form["subject"], SENDER, request.form["text"]), recipients)
    return redirect(url_for("newsletter", mailing=taken.id))


@app.get("/newsletters/<mailing>")
def newsletter(mailing):
    """How far it is."""
    return render_template("newsletter.html", progress=mailq.progress(mailing))
