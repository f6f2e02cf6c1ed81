"""A shop with members and a newsletter: `uvicorn app:app`."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mailq import Mailing, Message
from mailq.client import Progress, Submitted
from mailq.contrib.fastapi import ClientDep, MailqDep, SyncClientDep, answer_errors, connect

SENDER = "Shop <shop@mailq.example>"
URL = os.environ.get("DATABASE_URL") or sys.exit("set DATABASE_URL; ./run up --with-worker starts a stack")
engine = create_async_engine(URL.replace("postgresql://", "postgresql+asyncpg://"))
Session = async_sessionmaker(engine)


class Base(DeclarativeBase):
    """The shop's own tables."""


class Member(Base):
    """Somebody who signed up."""

    __tablename__ = "fastapi_member"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    address: Mapped[str] = mapped_column(unique=True)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The shop's tables, and its door to mailq."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with connect(app, URL):
        yield


app = FastAPI(title="Shop", lifespan=lifespan, docs_url=None, redoc_url=None)
answer_errors(app)


@app.exception_handler(IntegrityError)
async def known(_request: Request, _error: Exception) -> JSONResponse:
    """The transaction was rolled back, and the mail with it."""
    return JSONResponse({"detail": "you are a member already"}, 409)


async def begin() -> AsyncIterator[AsyncSession]:
    """A transaction as long as the endpoint: committed before it answers, rolled back if it raises."""
    async with Session.begin() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(begin, scope="function")]


class SignUp(BaseModel):
    """Who signs up."""

    name: str
    address: str
    card: str


class Newsletter(BaseModel):
    """What everybody is told. Subject and text are templates over each member's variables."""

    subject: str
    text: str


def charge(card: str) -> None:
    """A stand-in for what may fail after the mail was written."""
    if card == "declined":
        raise HTTPException(402, "your card was declined")


@app.post("/members", status_code=201)
async def sign_up(wanted: SignUp, session: SessionDep, mailq: MailqDep) -> None:
    """A member and the mail to welcome them, or neither."""
    session.add(Member(name=wanted.name, address=wanted.address))
    text = f"Dear {wanted.name},\n\nwelcome to the shop.\n"
    await mailq.within(session).send(Message(wanted.address, "Welcome", SENDER, text))
    charge(wanted.card)


@app.post("/newsletters", status_code=202)
async def send_newsletter(wanted: Newsletter, session: SessionDep, mailq: ClientDep) -> Submitted:
    """One mailing to all members."""
    members = await session.stream(select(Member.address, Member.name).order_by(Member.id))
    recipients = ({"address": address, "variables": {"name": name}} async for address, name in members)
    return await mailq.submit(Mailing("newsletter", wanted.subject, SENDER, wanted.text), recipients)


@app.get("/newsletters/{mailing}")
def newsletter(mailing: str, mailq: SyncClientDep) -> Progress:
    """How far it is."""
    return mailq.progress(mailing)
