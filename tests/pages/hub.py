"""A bus as OpenWrt's ubusd is one for a single object: what the pages ask goes to the agent as it would on a router.

The format is libubox's (`blob.h`, `blobmsg.h`) and ubus' (`ubusmsg.h`).
"""

import socket
import struct

HELLO, STATUS, DATA, INVOKE, ADD_OBJECT = 0, 1, 2, 5, 6
ARRAY, TABLE, TEXT, WIDE, NUMBER, BOOL = 1, 2, 3, 4, 5, 7
OBJECT = 0x1234


def padded(data):
    return data + bytes(-len(data) % 4)


def attribute(number, data):
    return padded(struct.pack(">I", number << 24 | len(data) + 4) + data)


def named(name, number):
    head = padded(struct.pack(">H", len(name)) + name.encode() + b"\0")
    data = head + struct.pack(">I", number)
    return padded(struct.pack(">I", 1 << 31 | NUMBER << 24 | len(data) + 4) + data)


def attributes(data):
    """Number and bytes of each; of what has a name the bytes begin with it."""
    while data:
        head = struct.unpack(">I", data[:4])[0]
        length = head & 0xFFFFFF
        yield head >> 24 & 0x7F, data[4:length]
        data = data[length + -length % 4 :]


def values(data):
    """Names and values of a table or an array."""
    for kind, body in attributes(data):
        length = struct.unpack(">H", body[:2])[0]
        name, body = body[2 : 2 + length].decode(), body[(2 + length + 1 + 3) // 4 * 4 :]
        yield name, value(kind, body)


def value(kind, body):
    if kind == TABLE:
        return dict(values(body))
    if kind == ARRAY:
        return [one for _, one in values(body)]
    if kind == TEXT:
        return body[:-1].decode()
    return {WIDE: lambda: struct.unpack(">q", body)[0], NUMBER: lambda: struct.unpack(">i", body)[0], BOOL: lambda: body[0] != 0, 0: lambda: None}[kind]()


class Hub:
    """Listens at `path`; the agent comes by itself."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(1)
        self.listener.settimeout(20)
        self.link, self.methods, self.sequence = None, [], 0

    def close(self):
        for one in (self.link, self.listener):
            if one:
                one.close()

    def meet(self):
        """Waits for the agent and takes its object."""
        self.link = self.listener.accept()[0]
        self.link.settimeout(10)
        self.send(HELLO, b"")
        kind, body = self.hear()
        assert kind == ADD_OBJECT, kind
        told = dict(attributes(body))
        assert told[2] == b"burstmesh\0", told
        self.methods = [name for name, _ in values(told[6])]
        self.send(DATA, attribute(3, struct.pack(">I", OBJECT)))

    def send(self, kind, body):
        self.sequence += 1
        self.link.sendall(struct.pack(">BBHI", 0, kind, self.sequence & 0xFFFF, 7) + struct.pack(">I", len(body) + 4) + body)

    def hear(self):
        head = self.read(12)
        return head[1], self.read((struct.unpack(">I", head[8:])[0] & 0xFFFFFF) - 4)

    def read(self, length):
        data = b""
        while len(data) < length:
            more = self.link.recv(length - len(data))
            assert more, "the agent left the bus"
            data += more
        return data

    def call(self, method, **numbers):
        """What `ubus call burstmesh METHOD` would show."""
        arguments = b"".join(named(name, number) for name, number in numbers.items())
        self.send(INVOKE, attribute(3, struct.pack(">I", OBJECT)) + attribute(4, method.encode() + b"\0") + attribute(7, arguments))
        answer = None
        while True:
            kind, body = self.hear()
            told = dict(attributes(body))
            if kind == DATA:
                answer = dict(values(told[7]))
            elif kind == STATUS:
                status = struct.unpack(">I", told[1])[0]
                assert status == 0, f"{method}: status {status}"
                return answer
