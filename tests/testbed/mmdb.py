"""Writes small address databases in the MaxMind DB format, so that no real one is needed."""

from collections.abc import Mapping
from ipaddress import IPv4Network, ip_network
from pathlib import Path

Value = str | int | list["Value"] | dict[str, "Value"]

MAP, TEXT, UINT16, UINT32 = 7, 2, 5, 6
EXTENDED_UINT64, EXTENDED_ARRAY = 2, 4  # types 9 and 11, less the 7 that fit the control byte
SHORT = {"binary_format_major_version", "binary_format_minor_version", "ip_version", "record_size"}
LONG = {"build_epoch"}
EMPTY = -1


def encode(value: Value, key: str = "") -> bytes:
    """One value of the data section. The metadata's numbers have types of their own, by their key."""
    if isinstance(value, str):
        data = value.encode()
        return _control(TEXT, len(data)) + data
    if isinstance(value, int):
        data = value.to_bytes((value.bit_length() + 7) // 8, "big")
        if key in LONG:
            return bytes([len(data), EXTENDED_UINT64]) + data
        return _control(UINT16 if key in SHORT else UINT32, len(data)) + data
    if isinstance(value, list):
        return bytes([len(value), EXTENDED_ARRAY]) + b"".join(map(encode, value))
    return _control(MAP, len(value)) + b"".join(encode(name) + encode(each, name) for name, each in value.items())


def _control(kind: int, size: int) -> bytes:
    return bytes([kind << 5 | size]) if size < 29 else bytes([kind << 5 | 29, size - 29])


def write_mmdb(path: Path, rows: Mapping[str, dict[str, Value]]) -> None:
    """Write a database of networks that do not overlap. IPv4 networks lie at ::/96, as the format has it."""
    nodes: list[list[int]] = [[EMPTY, EMPTY]]
    data = b""
    leaves: dict[tuple[int, int], int] = {}
    for text, row in rows.items():
        network = ip_network(text)
        length = network.prefixlen + (96 if isinstance(network, IPv4Network) else 0)
        bits = f"{int(network.network_address):0128b}"[:length]
        node = 0
        for bit in map(int, bits[:-1]):
            if nodes[node][bit] == EMPTY:
                nodes.append([EMPTY, EMPTY])
                nodes[node][bit] = len(nodes) - 1
            node = nodes[node][bit]
        leaves[node, int(bits[-1])] = len(data)
        data += encode(row)
    for (node, bit), offset in leaves.items():
        nodes[node][bit] = len(nodes) + 16 + offset
    tree = b"".join((len(nodes) if to == EMPTY else to).to_bytes(3, "big") for node in nodes for to in node)
    about: dict[str, Value] = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1_700_000_000,
        "database_type": "Test",
        "description": {"en": "test"},
        "ip_version": 6,
        "languages": ["en"],
        "node_count": len(nodes),
        "record_size": 24,
    }
    path.write_bytes(tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + encode(about))
