"""What comes out of a file of recipients, and which files are refused whole."""

import gzip
import io
import os
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from mailq.engine.intake import STDIN, Record, open_source
from mailq.errors import BadInput

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Puts content into a file of its own."""

    def write(content: str | bytes, name: str = "people.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def read(path: Path, **options: str) -> list[Record]:
    with open_source(path, **options) as source:
        return list(source.records())


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_makes_an_address_column(write: Write, delimiter: str) -> None:
    path = write(
        delimiter.join(["name", "Email", "note, or; so"]) + "\n" + delimiter.join(["Ann", "ann@example.org", "x"]) + "\n"
    )
    if delimiter in ",;":
        path = write(f'name{delimiter}Email{delimiter}"note, or; so"\nAnn{delimiter}ann@example.org{delimiter}x\n')

    assert read(path) == [Record(2, "ann@example.org", {"name": "Ann", "note, or; so": "x"})]


@pytest.mark.parametrize("name", ["email", "ADDRESS", " E-Mail ", "mail", "email_address"])
def test_the_address_column_goes_by_several_names(write: Write, name: str) -> None:
    assert read(write(f"a,{name}\n1,ann@example.org\n"))[0].address == "ann@example.org"


def test_email_is_preferred_to_address_which_may_be_a_street(write: Write) -> None:
    assert read(write("address,email\nHigh Street 1,a@example.org\n")) == [
        Record(2, "a@example.org", {"address": "High Street 1"})
    ]


def test_the_user_may_name_the_address_column(write: Write) -> None:
    path = write("email,work\nprivate@example.org,work@example.org\n")

    assert read(path, address_column="Work") == [Record(2, "work@example.org", {"email": "private@example.org"})]
    with open_source(path) as plain, open_source(path, address_column="work") as chosen:
        assert plain.digest != chosen.digest, "other recipients must not pass for the same source"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_tells_the_encoding(write: Write, encoding: str) -> None:
    path = write("email,name\nzoë@example.org,Zoë 🌷\n".encode(encoding))

    assert read(path) == [Record(2, "zoë@example.org", {"name": "Zoë 🌷"})]


def test_newlines_of_every_kind_stay_in_quoted_fields_and_lines_are_counted(write: Write) -> None:
    path = write('email,note\r\na@example.org,"one\ntwo\r\nthree"\r\n\r\n  \r\nb@example.org,"say ""hi"""\r\n')

    assert read(path) == [
        Record(2, "a@example.org", {"note": "one\ntwo\r\nthree"}),
        Record(7, "b@example.org", {"note": 'say "hi"'}),
    ]


def test_ragged_rows_are_faults_of_their_own_and_leave_the_others_alone(write: Write) -> None:
    found = read(write("email,name\na@example.org\nb@example.org,B,more\nc@example.org,C\n"))

    assert [(each.line, each.address, each.fault) for each in found] == [
        (2, "a@example.org", "it has 1 fields where the header has 2"),
        (3, "b@example.org", "it has 3 fields where the header has 2"),
        (4, "c@example.org", None),
    ]


def test_a_quote_out_of_place_costs_its_row_only(write: Write) -> None:
    found = read(write('email,name\na@example.org,"say "hi" now"\nb@example.org,O"Brien\n'))

    assert [each.line for each in found if each.fault] == [2]
    assert "quoted field goes on" in str(found[0].fault)
    assert found[1] == Record(3, "b@example.org", {"name": 'O"Brien'})


def test_a_nul_byte_late_in_the_file_costs_its_row_only(write: Write) -> None:
    path = write("email,name\n" + "a@example.org,A\n" * 1000 + "b@example.org,B\0\nc@example.org,C\n")

    faults = [each for each in read(path) if each.fault]

    assert [(each.line, each.address, each.fault) for each in faults] == [(1002, "b@example.org", "it contains a NUL byte")]


@pytest.mark.parametrize("field", ["x" * 10_000_000, '"' + ("x" * 999 + "\n") * 10_000 + '"'])
def test_a_field_of_10_mb_costs_its_row_only_and_is_never_held_whole(write: Write, field: str) -> None:
    path = write(f"email,note\na@example.org,{field}\nb@example.org,fine\n")

    tracemalloc.start()
    found = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert [each.address for each in found if each.fault is None] == ["b@example.org"]
    assert [(each.line, "longer than" in str(each.fault)) for each in found if each.fault] == [(2, True)]
    assert found[-1].line == 3 + field.count("\n")
    assert peak < 40_000_000


@pytest.mark.parametrize("tail", ["", "\n", "b@example.org,B\n" * 3])
def test_a_quote_that_is_never_closed_refuses_the_file(write: Write, tail: str) -> None:
    """Nobody can tell which of the lines behind it are recipients; none of them may be lost."""
    path = write('email,name\na@example.org,A\nb@example.org,"B\n' + tail)

    with pytest.raises(BadInput, match="line 3 is never closed"):
        read(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\n\n", "is empty"),
        (b"email,name\n", "no recipients"),
        (b"email,name\n\n \n", "no recipients"),
        (b"PK\x03\x04" + bytes(30), "spreadsheet"),
        (b"\x7fELF\0\0", "binary file"),
        ("email\na@example.org\n".encode("utf-16-le"), "binary file"),
        (b"name,city\nAnn,Bonn\n", "no address column.*`name`, `city`.*--address-column"),
        (b"email,name,name\na@example.org,A,B\n", "`name` more than once"),
        (b"email,,name\na@example.org,A,B\n", "column 2 has no name"),
        (b'"email\na@example.org\n', "never closed|no address column"),
        (b"email,name\na@example.org,A\nz@example.org,Zo\xeb\n", r"byte 0xeb at offset 43 in line 3.*iconv"),
    ],
)
def test_an_unreadable_file_is_refused_in_a_sentence(write: Write, content: bytes, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        read(write(content))


def test_latin_1_far_into_the_file_is_named_by_its_byte_and_line(write: Write) -> None:
    good = "email,name\n" + "ä@example.org,Ä\n" * 50_000
    with pytest.raises(BadInput, match=f"offset {len(good.encode()) + 3} in line 50002"):
        read(write(good.encode() + b"foo\xe9"))


def test_missing_directory_and_unreadable_files_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        open_source(tmp_path / "nothing.csv")
    with pytest.raises(BadInput, match="is a directory"):
        open_source(tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(BadInput, match="cannot be read"):
        open_source(tmp_path / "loop")


def test_gzip_is_unpacked_and_counts_as_the_same_source(write: Write) -> None:
    plain = write("email\na@example.org\n")
    packed = write(gzip.compress(plain.read_bytes()), "people.csv.gz")

    assert read(packed) == read(plain)
    with open_source(plain) as one, open_source(packed) as other:
        assert one.digest == other.digest


@pytest.mark.parametrize("damage", [lambda packed: packed[:-12], lambda packed: packed[:20] + b"\xff" * 20 + packed[40:]])
def test_damaged_gzip_is_refused(write: Write, damage: Callable[[bytes], bytes]) -> None:
    packed = gzip.compress(("email\n" + "".join(f"a{n}@example.org\n" for n in range(1000))).encode())

    with pytest.raises(BadInput, match="is damaged"):
        read(write(damage(packed), "people.csv.gz"))


def test_standard_input_can_be_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"email\na@example.org\n"))
    monkeypatch.setattr(sys, "stdin", stdin)

    with open_source(STDIN) as source:
        assert [each.address for each in source.records()] == ["a@example.org"]
        assert [each.address for each in source.records()] == ["a@example.org"]
        assert source.where == "standard input"


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"email\na@example.org\n")
    os.close(writing)

    assert [each.address for each in read(Path(f"/dev/fd/{reading}"))] == ["a@example.org"]
    os.close(reading)


def test_records_can_be_skipped_and_the_position_grows(write: Write) -> None:
    with open_source(write("email\n" + "".join(f"a{n}@example.org\n" for n in range(20_000)))) as source:
        assert next(source.records(skip=7)).address == "a7@example.org"
        records = source.records()
        next(records)
        early = source.position.bytes_read
        assert len(list(records)) == 19_999
        assert early < source.position.bytes_read == source.position.total_bytes


def test_a_file_that_changes_while_it_is_read_is_noticed(write: Write) -> None:
    path = write("email\na@example.org\nb@example.org\n")
    with open_source(path) as source:
        path.write_text("email\na@example.org\nc@example.org\n")
        with pytest.raises(BadInput, match="changed while it was read"):
            list(source.records())


def test_the_columns_are_those_a_template_may_name(write: Write) -> None:
    with open_source(write("email,name,city\na@example.org,A,Bonn\n")) as source:
        assert source.columns == {"name", "city"}
    with open_source(
        write('{"email": "a@example.org", "x": 1}\n{"email": "b@example.org", "y": {"z": 2}}\n', "p.jsonl")
    ) as source:
        assert source.columns == {"x", "y"}
