"""The sink speaks SMTP: smtplib is the reference client, raw sockets say what smtplib would not."""

import signal
import smtplib
import socket
import subprocess
import sys
from contextlib import closing
from email.message import EmailMessage
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailq.local.sink.books import read_accepted
from mailq.local.sink.server import Manners
from tests.support.sink import SinkThread
from tests.support.waiting import eventually

SENDER = "from@x.example"
CONTENT = b"Message-ID: <1@x.example>\r\nSubject: hello\r\n\r\nHello.\r\n"


@pytest.fixture
def smtp(sink):
    with smtplib.SMTP(sink.host, sink.port, timeout=10) as client:
        yield client


@pytest.fixture
def wire(sink):
    with closing(Wire(sink.port)) as opened:
        yield opened


class Wire:
    """A client that sends what it is told, and reads whole replies."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply()

    def send(self, *lines: bytes) -> None:
        self.socket.sendall(b"".join(line + b"\r\n" for line in lines))

    def reply(self) -> bytes:
        """The next reply, its last line for one of several; empty at the end of the connection."""
        while (line := self.file.readline())[3:4] == b"-":
            pass
        return line.rstrip(b"\r\n")

    def replies(self, number: int) -> list[bytes]:
        return [self.reply()[:3] for _ in range(number)]

    def say(self, line: bytes) -> bytes:
        self.send(line)
        return self.reply()

    def open_message(self, recipient: bytes = b"a@y.example") -> None:
        """All there is before the content."""
        self.send(b"EHLO me", b"MAIL FROM:<from@x.example>", b"RCPT TO:<" + recipient + b">", b"DATA")
        assert self.replies(4) == [b"250", b"250", b"250", b"354"]

    def close(self) -> None:
        self.file.close()
        self.socket.close()


def test_smtplib_delivers_a_message(sink, smtp):
    """Byte for byte, to each of its recipients."""
    refused = smtp.sendmail(SENDER, ["a@y.example", "b@y.example"], CONTENT)

    assert refused == {}
    assert [(one.recipient, one.message_id, one.sender, one.content) for one in sink.accepted] == [
        ("a@y.example", "<1@x.example>", SENDER, CONTENT),
        ("b@y.example", "<1@x.example>", SENDER, CONTENT),
    ]


def test_the_extensions_are_offered(smtp):
    """Those that mailq uses, and the size."""
    smtp.ehlo()

    assert set(smtp.esmtp_features) >= {"pipelining", "8bitmime", "smtputf8", "enhancedstatuscodes", "size"}
    assert smtp.esmtp_features["size"] == "25000000"


def test_an_international_address_needs_smtputf8(sink, smtp):
    """RFC 6531: with the keyword it passes, without it the sink is strict, so that a forgetful client is found out."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "jürgen@x.example", "用户@例子.example", "ü"
    smtp.send_message(message)
    assert sink.accepted_recipients == ["用户@例子.example"]

    smtp.mail(SENDER)
    smtp.putcmd("rcpt", "TO:<a@y.example>")
    smtp.getreply()
    smtp.sock.sendall("RCPT TO:<jürgen@y.example>\r\n".encode())
    assert smtp.getreply()[0] == 553


def test_a_null_sender_is_taken(sink, smtp):
    """Bounces have one."""
    smtp.sendmail("", ["a@y.example"], CONTENT)

    assert sink.accepted[0].sender == ""


def test_a_quoted_local_part_may_hold_an_angle_bracket(sink, wire):
    """The path ends where the grammar says, not at the first bracket."""
    wire.open_message(rb'"a > \" b"@y.example')
    wire.send(CONTENT + b".")
    assert wire.reply()[:3] == b"250"

    assert sink.accepted_recipients == [r'"a > \" b"@y.example']


def test_whole_dialogues_may_be_pipelined(sink, wire):
    """RFC 2920: the dot of one message and the envelope of the next in one go; replies keep the order."""
    wire.open_message(b"1@y.example")
    for number in range(2, 50):
        wire.send(CONTENT + b".", b"MAIL FROM:<from@x.example>", b"RCPT TO:<%d@y.example>" % number, b"DATA")
    wire.send(CONTENT + b".", b"QUIT")

    assert wire.replies(48 * 4) == [b"250", b"250", b"250", b"354"] * 48
    assert wire.replies(2) == [b"250", b"221"]
    assert sink.accepted_recipients == [f"{number}@y.example" for number in range(1, 50)]


def test_a_dialogue_may_come_byte_by_byte(sink, wire):
    """Wherever the network cuts, the dot is found."""
    wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire.open_message()
    for byte in b"Subject: x\r\n\r\n..\r\n.x\r\n\r\n.\r\n":
        wire.socket.sendall(bytes([byte]))

    assert wire.reply()[:3] == b"250"
    assert sink.accepted[0].content == b"Subject: x\r\n\r\n.\r\nx\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b".\r\n", b""),
        (b"..\r\n.\r\n", b".\r\n"),
        (b".\rx\r\n.\r\n", b"\rx\r\n"),
        (b"a\r\n..\r\n...\r\n.b\r\n.\r\n", b"a\r\n.\r\n..\r\nb\r\n"),
        (b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n"),
        (b"a\r\n.\nb\r\n.\r\n", b"a\r\n\nb\r\n"),
        (b"a\n.\r\nb\r\n.\r\n", b"a\n.\r\nb\r\n"),
    ],
)
def test_the_rule_of_dots_is_exact(sink, wire, sent, kept):
    """RFC 5321 4.5.2: the end is CRLF . CRLF and nothing else; of a line that begins with a dot the first one goes."""
    wire.open_message()
    wire.socket.sendall(sent)

    assert wire.reply()[:3] == b"250"
    assert sink.accepted[0].content == kept
    assert wire.say(b"NOOP")[:3] == b"250"


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.text(alphabet=".ax \t", max_size=5), max_size=8), st.data())
def test_what_smtplib_stuffs_the_sink_unstuffs(sink, lines, data):
    """For any lines, cut anywhere."""
    content = "".join(f"{line}\r\n" for line in lines).encode()
    before = len(sink.accepted)
    stuffed = smtplib._quote_periods(content) + b".\r\n"
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stuffed)), max_size=4)) | {0, len(stuffed)})
    with closing(Wire(sink.port)) as wire:
        wire.open_message()
        for start, end in pairwise(cuts):
            wire.socket.sendall(stuffed[start:end])
        assert wire.reply()[:3] == b"250"

    assert [one.content for one in sink.accepted[before:]] == [content]


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        ((b"MAIL FROM:<a@x.example>",), (b"503",)),
        ((b"EHLO me", b"RCPT TO:<a@x.example>"), (b"250", b"503")),
        ((b"EHLO me", b"DATA"), (b"250", b"503")),
        ((b"HELO me", b"MAIL FROM:<a@x.example>", b"DATA"), (b"250", b"250", b"554")),
        ((b"EHLO me", b"MAIL FROM:<a@x.example>", b"MAIL FROM:<a@x.example>"), (b"250", b"250", b"503")),
        ((b"EHLO me", b"MAIL FROM:<a@x.example>", b"RSET", b"RCPT TO:<a@x.example>"), (b"250", b"250", b"250", b"503")),
        ((b"EHLO me", b"MAIL FROM:a@x.example"), (b"250", b"501")),
        ((b"EHLO me", b"MAIL FROM:<a@x.example> SIZE=99999999"), (b"250", b"552")),
        ((b"EHLO me", b"MAIL FROM:<a@x.example>", b"RCPT TO:<nobody>"), (b"250", b"250", b"501")),
        ((b"EHLO me", b"MAIL FROM:<a@x.example>", b"RCPT TO:<a@x .example>"), (b"250", b"250", b"501")),
        ((b"NONSENSE",), (b"500",)),
        ((b"",), (b"500",)),
        ((b"NOOP", b"VRFY a@x.example", b"QUIT"), (b"250", b"252", b"221")),
    ],
)
def test_a_dialogue_out_of_order_is_refused(wire, lines, codes):
    """As a strict server would, so that a client's mistakes show."""
    wire.send(*lines)

    assert tuple(wire.replies(len(codes))) == codes


def test_an_endless_command_is_cut_off(wire):
    """It would fill the memory."""
    wire.socket.sendall(b"x" * 5000)

    assert wire.reply()[:3] == b"500"
    assert wire.reply() == b""


def test_a_pattern_cannot_be_made_to_go_back(wire):
    """A path made to match in many ways and fail at its end is answered at once."""
    wire.socket.settimeout(2)
    wire.send(b"EHLO me", b"MAIL FROM:<" + b'""' * 1900 + b"a" * 100)

    assert wire.replies(2) == [b"250", b"501"]


def test_a_message_over_the_limit_is_refused_and_not_kept():
    """At its dot, without holding all of it; the session goes on."""
    small = SinkThread(manners=Manners(size_limit_bytes=1000))
    with closing(small), closing(Wire(small.port)) as wire:
        wire.open_message()
        wire.send(*[b"x" * 98] * 500, b".")
        assert wire.reply()[:3] == b"552"
        wire.open_message()
        wire.send(b"fits", b".")
        assert wire.reply()[:3] == b"250"
        assert [one.content for one in small.accepted] == [b"fits\r\n"]


def test_a_rejected_recipient_hears_the_rules_words(sink, smtp):
    """And the others of the message get it."""
    sink.rules("address=bob@* reject=550 5.1.1 no such user")

    refused = smtp.sendmail(SENDER, ["bob@y.example", "eve@y.example"], CONTENT)

    assert refused == {"bob@y.example": (550, b"5.1.1 no such user")}
    assert sink.accepted_recipients == ["eve@y.example"]


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ("at=mail tempfail=451 4.3.0 no", smtplib.SMTPSenderRefused),
        ("tempfail", smtplib.SMTPRecipientsRefused),
        ("at=data tempfail=451 4.3.0 no", smtplib.SMTPDataError),
        ("at=dot reject=554 5.6.0 no", smtplib.SMTPDataError),
        ("at=mail drop=now", smtplib.SMTPServerDisconnected),
        ("drop=now", smtplib.SMTPServerDisconnected),
        ("drop=before-dot", (smtplib.SMTPServerDisconnected, ConnectionError)),
        ("drop=after-dot-unaccepted", smtplib.SMTPServerDisconnected),
    ],
)
def test_what_misbehaves_accepts_nothing(sink, smtp, rule, error):
    """Whichever stage the rule speaks at."""
    sink.rules(rule)

    with pytest.raises(error):
        smtp.sendmail(SENDER, ["a@y.example"], CONTENT)
    assert sink.accepted == []


def test_dropped_after_the_dot_is_accepted_all_the_same(sink, smtp):
    """The doubt of RFC 1047: the sender sees a closed connection, the recipient gets the mail."""
    sink.rules("drop=after-dot")

    with pytest.raises(smtplib.SMTPServerDisconnected):
        smtp.sendmail(SENDER, ["a@y.example"], CONTENT)
    assert sink.accepted_recipients == ["a@y.example"]


def test_a_drop_does_not_take_earlier_replies_with_it(sink, wire):
    """Of pipelined messages only the one that the rule names is in doubt."""
    sink.rules("address=second@* drop=after-dot")
    wire.open_message(b"first@y.example")
    wire.send(CONTENT + b".", b"MAIL FROM:<from@x.example>", b"RCPT TO:<second@y.example>", b"DATA", CONTENT + b".", b"NOOP")

    assert wire.replies(5) == [b"250", b"250", b"250", b"354", b""]
    assert sink.accepted_recipients == ["first@y.example", "second@y.example"]


def test_a_relay_can_be_busy_at_the_greeting(sink):
    """421 instead of 220, then closed."""
    sink.rules("at=connect tempfail=421 4.3.2 busy")

    with closing(Wire(sink.port)) as wire:
        assert wire.greeting == b"421 4.3.2 busy"
        assert wire.reply() == b""


def test_a_delay_holds_its_own_session_only(sink, wire):
    """The one after it is answered while the first still waits; what is pipelined behind the delay keeps its order."""
    sink.rules("address=slow@* delay=60s")
    wire.open_message(b"slow@y.example")
    wire.send(CONTENT + b".", b"NOOP")

    with smtplib.SMTP(sink.host, sink.port, timeout=10) as other:
        other.sendmail(SENDER, ["fast@y.example"], CONTENT)
    assert sink.accepted_recipients == ["fast@y.example"]


def test_a_delayed_message_is_accepted_though_its_sender_hung_up(sink, wire):
    """As slow servers do: who gives up waiting cannot know."""
    sink.rules("delay=100ms")
    wire.open_message()
    wire.send(CONTENT + b".")
    wire.close()

    eventually(lambda: sink.accepted_recipients == ["a@y.example"])


def test_what_is_pipelined_behind_a_delay_is_answered_after_it(sink, wire):
    """In order."""
    sink.rules("delay=50ms")
    wire.open_message()
    wire.send(CONTENT + b".", b"NOOP", b"QUIT")

    assert wire.replies(3) == [b"250", b"250", b"221"]
    assert len(sink.accepted) == 1


def test_a_sink_can_go_and_come_back_at_its_address(sink):
    """A relay that restarts; what it had accepted stays accepted."""
    with smtplib.SMTP(sink.host, sink.port, timeout=10) as client:
        client.sendmail(SENDER, ["a@y.example"], CONTENT)
        sink.stop()
        with pytest.raises(OSError):
            socket.create_connection((sink.host, sink.port), timeout=5)
        sink.start()
    with smtplib.SMTP(sink.host, sink.port, timeout=10) as client:
        client.sendmail(SENDER, ["b@y.example"], CONTENT)

    assert sink.accepted_recipients == ["a@y.example", "b@y.example"]


class Process:
    """`python -m mailq.local.sink`."""

    def __init__(self, *words: object) -> None:
        argv = [sys.executable, "-m", "mailq.local.sink", "--listen", "127.0.0.1:0", *map(str, words)]
        self.popen = subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.popen.stderr
        self.port = int(self.popen.stderr.readline().rpartition(":")[2])

    def end(self, with_signal: int = signal.SIGTERM) -> str:
        self.popen.send_signal(with_signal)
        return self.popen.communicate(timeout=10)[0]


@pytest.fixture
def process():
    """Starts sinks of their own; none outlives its test."""
    started = []

    def start(*words: object) -> Process:
        started.append(Process(*words))
        return started[-1]

    yield start
    for one in started:
        if one.popen.returncode is None:
            one.end(signal.SIGKILL)


def test_a_killed_sink_has_not_forgotten_what_it_accepted(process, tmp_path):
    """On file before the 250: every reply that a client saw is in the list."""
    sink = process("--accepted", tmp_path / "accepted.tsv", "--maildir", tmp_path / "Maildir")
    acknowledged = 0
    with closing(Wire(sink.port)) as wire:
        wire.open_message()
        for number in range(200):
            wire.send(CONTENT + b".", b"MAIL FROM:<f@x.example>", b"RCPT TO:<%d@y.example>" % number, b"DATA")
            acknowledged += wire.replies(4) == [b"250", b"250", b"250", b"354"]
        sink.end(signal.SIGKILL)

    assert acknowledged == 200
    assert len(list(read_accepted(tmp_path / "accepted.tsv"))) == 200
    assert len(list((tmp_path / "Maildir" / "new").iterdir())) == 200


def test_changed_rules_hold_for_the_next_message(process, tmp_path):
    """Also within a session; rules at fault leave those before in force."""
    rules = tmp_path / "rules.txt"
    rules.write_text("")
    sink = process("--rules", rules, "--accepted", tmp_path / "accepted.tsv")
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=10) as client:
        client.sendmail(SENDER, ["a@y.example"], CONTENT)
        for text in ("reject", "nonsense"):
            rules.write_text(text)
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                client.sendmail(SENDER, ["b@y.example"], CONTENT)
    sink.end()

    assert [row.recipient for row in read_accepted(tmp_path / "accepted.tsv")] == ["a@y.example"]


def test_a_discarding_sink_counts(process):
    """And says how much when it ends."""
    sink = process("--discard")
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=10) as client:
        client.sendmail(SENDER, ["a@y.example"], CONTENT)

    assert sink.end() == f'{{"accepted": 1, "bytes": {len(CONTENT)}}}\n'


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--rule", "nonsense"], 65, "'nonsense' is not understood"),
        (["--listen", "nowhere"], 2, "is not HOST:PORT"),
        (["--discard", "--accepted", "x"], 2, "--discard keeps nothing"),
        (["--accepted", "/proc/nowhere/list"], 69, "cannot start"),
    ],
)
def test_a_mistake_at_the_command_line_is_one_sentence(words, code, said):
    """With an exit code, and no traceback."""
    ended = subprocess.run(
        [sys.executable, "-m", "mailq.local.sink", *words], capture_output=True, text=True, timeout=20, check=False
    )

    assert (ended.returncode, said in ended.stderr, "Traceback" in ended.stderr) == (code, True, False)


def test_a_taken_port_is_named():
    """Whose it is cannot be said, which it is can."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        argv = [sys.executable, "-m", "mailq.local.sink", "--listen", f"127.0.0.1:{port}"]
        ended = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)

    assert ended.returncode == 69
    assert f"127.0.0.1:{port}: Address already in use" in ended.stderr
