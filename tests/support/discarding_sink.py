"""A fast relay that accepts and forgets: what the wire's own cost is measured against. Run as a program it prints its port."""

import asyncio

EHLO = b"250-sink.example\r\n250-PIPELINING\r\n250-SIZE\r\n250 8BITMIME\r\n"


class DiscardingSink(asyncio.Protocol):
    """One connection; answers whole buffers at once."""

    accepted = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""
        self.in_body = False
        transport.write(b"220 sink.example ESMTP\r\n")  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        answers = []
        while True:
            if self.in_body:
                _, dot, rest = self.buffer.partition(b"\r\n.\r\n")
                if not dot:
                    break
                self.buffer, self.in_body = rest, False
                DiscardingSink.accepted += 1
                answers.append(b"250 2.0.0 Ok: queued as 4ZxYk1\r\n")
                continue
            line, end, rest = self.buffer.partition(b"\r\n")
            if not end:
                break
            self.buffer = rest
            word = line[:4]
            if word == b"DATA":
                self.in_body = True
            answers.append({b"DATA": b"354 End data\r\n", b"EHLO": EHLO, b"QUIT": b"221 bye\r\n"}.get(word, b"250 2.1.0 Ok\r\n"))
        if answers:
            self.transport.write(b"".join(answers))  # type: ignore[attr-defined]


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(DiscardingSink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
