"""Which servers a migration list means, and which lists cannot be read."""

from ipaddress import IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailq.core.migration_list import Itself, Malformed, MigrationList

WEB1 = Itself("web1:8851", "Web1", 8851, ("10.0.0.7", "fe80::1"))


@pytest.mark.parametrize(
    "written",
    [
        "web1:8851",
        "WEB1:8851",
        "web1:*",
        "10.0.0.7:8851",
        "10.0.0.7:*",
        "[fe80::1]:8851",
        "[FE80:0:0::1]:*",
        " web2:8851 , web1:8851 ",
    ],
)
def test_a_server_is_meant_by_its_id_or_by_a_name_or_address_of_its_host_and_its_port(written):
    assert MigrationList.parse(written).means(WEB1)


@pytest.mark.parametrize(
    "written", ["", "  ", "web1", "web1:8852", "web:8851", "web1.example:8851", "10.0.0.70:*", "[fe80::2]:8851", "web2:*"]
)
def test_no_other_server_is_meant(written):
    assert not MigrationList.parse(written).means(WEB1)


def test_an_id_without_a_colon_means_that_server_alone_and_with_its_capitals():
    north = Itself("North-1", "web1")
    assert MigrationList.parse("North-1").means(north)
    assert not MigrationList.parse("north-1").means(north)
    assert not MigrationList.parse("web1").means(north)


def test_an_address_means_nothing_of_a_server_that_recorded_none():
    assert not MigrationList.parse("10.0.0.7:*").means(Itself("web1:8851", "web1", 8851))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("web1:8851,", "an entry is empty"),
        ("web1:8851,,web2:8851", "an entry is empty"),
        (",", "an entry is empty"),
        ("web1:8851 web2:8851", "'web1:8851 web2:8851' has a blank inside"),
        ("web1\x00:8851", "has a blank inside"),
        ("web1:", "`web1:`: the port"),
        ("web1:0", "`web1:0`: the port"),
        ("web1:65536", "`web1:65536`: the port"),
        ("web1:http", "`web1:http`: the port"),
        ("web1:٣", "the port"),
        ("web1:-1", "the port"),
        (":8851", "`:8851` is none"),
        ("web1:1:2", "`web1:1:2` is none"),
        ("fe80::1", "`fe80::1` is none"),
        ("[fe80::1]", "`[fe80::1]` is none"),
        ("[10.0.0.7]:8851", "must be an IPv6 address"),
        ("[web1]:8851", "must be an IPv6 address"),
        ("10.0.0.700:8851", "10.0.0.700 is neither the name nor the address of a host"),
        ("smtp//web1:25", "smtp//web1 is neither"),
        ("web1:8851, web2:*, WEB1:8851", "`WEB1:8851` is there twice"),
        ("[::1]:*,[0:0::1]:*", "`[0:0::1]:*` is there twice"),
        ("north,north", "`north` is there twice"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused_by_its_entry(written, said):
    with pytest.raises(Malformed) as refused:
        MigrationList.parse(written)
    assert said in str(refused.value)


@pytest.mark.parametrize("written", ["web1:8851", "wEb1:8851", "10.0.0.7:8851", "web2:*,[fe80::1]:8851"])
def test_a_server_that_lists_itself_is_told_so(written):
    with pytest.raises(Malformed, match="is this very server, web1:8851"):
        MigrationList.parse(written).require_others(WEB1)


@pytest.mark.parametrize("written", ["web1:*", "10.0.0.7:*", "web1:8852", "web2:8851", "north"])
def test_a_whole_host_may_be_its_own(written):
    """`host:*` means all the others there."""
    MigrationList.parse(written).require_others(WEB1)


def test_a_server_with_an_id_of_its_own_may_list_the_port_that_others_of_its_host_go_by():
    """Most of those leave MAILQ_SERVER_PORT as it is."""
    MigrationList.parse("web1:8851").require_others(Itself("north", "web1"))


def test_the_entries_that_mean_nobody_are_told_apart():
    found = MigrationList.parse("web1:8851,web2:8851,north").unknown([WEB1])
    assert [entry.text for entry in found] == ["web2:8851", "north"]


_names = st.from_regex(r"[a-zA-Z][a-zA-Z0-9-]{0,10}(\.[a-z]{1,5})?", fullmatch=True)
_ports = st.integers(1, 65_535)
_addresses = st.ip_addresses()
_servers = st.builds(
    lambda host, port, addresses: Itself(f"{host}:{port}", host, port, tuple(map(str, addresses))),
    _names,
    _ports,
    st.lists(_addresses, max_size=3),
)


def bracketed(address):
    return f"[{address}]" if isinstance(address, IPv6Address) else str(address)


@given(st.text(max_size=60))
def test_whatever_is_written_is_read_or_refused_in_words(written):
    """And nothing else happens."""
    assert (refused(written) or "").isprintable()


def refused(written):
    """What is said about a list that cannot be read."""
    try:
        MigrationList.parse(written)
    except Malformed as error:
        return str(error)
    return None


@given(st.lists(_servers, min_size=1, max_size=5, unique_by=lambda server: server.name.casefold()), st.data())
def test_whoever_is_listed_by_any_of_its_names_is_meant(servers, data):
    written = []
    for server in servers:
        hosts = [server.host.swapcase(), *map(bracketed, map(ip_address, server.addresses))]
        written.append(f"{data.draw(st.sampled_from(hosts))}:{data.draw(st.sampled_from([server.port, '*']))}")
    distinct = list(dict.fromkeys(text.casefold() for text in written))

    listed = MigrationList.parse(" , ".join(distinct))

    assert all(listed.means(server) for server in servers)
    assert listed.unknown(servers) == ()


@given(_servers, _ports)
def test_another_port_of_the_same_host_is_another_server(server, port):
    listed = MigrationList.parse(f"{server.host}:{port}")
    assert listed.means(server) == (port == server.port)
