"""Pass TCP on from addresses that a namespace can reach to the servers on loopback: `python -m … LISTEN=TARGET…`, each HOST:PORT."""

import asyncio
import os
import sys
from contextlib import suppress

_PIECE_BYTES = 1 << 16
READY = "forwarding"


async def serve(pairs: list[tuple[str, str]]) -> None:
    """Listen and pass on until ended."""
    for listen, target in pairs:
        host, _, port = listen.rpartition(":")
        await asyncio.start_server(_passing_on_to(target), host, int(port), backlog=256)
    # Whoever started this waits for the word.
    os.write(1, f"{READY}\n".encode())
    await asyncio.Event().wait()


def _passing_on_to(target: str):  # type: ignore[no-untyped-def]
    host, _, port = target.rpartition(":")

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))

    return pass_on


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction; when it ends, the other end is told so."""
    with suppress(OSError):
        while piece := await reader.read(_PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
    with suppress(OSError):
        writer.close()


if __name__ == "__main__":
    asyncio.run(serve([(listen, target) for listen, _, target in (word.partition("=") for word in sys.argv[1:])]))
