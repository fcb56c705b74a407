"""ClamAV's daemon, played on a real socket: what it says, and whatever else may come instead of that."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager

import pytest

from creditlink.kit.files.scanning import Scanner, ScannerAway, is_address

pytestmark = pytest.mark.pure
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


@contextmanager
def clamd(answer=None):
    """Serve INSTREAM: OK, or FOUND where the test virus is in it, or `answer`; yields the address and the streams."""
    listener, streams = socket.create_server(("127.0.0.1", 0)), []

    def serve():
        while True:
            try:
                wire, _ = listener.accept()
            except OSError:
                return
            with wire, wire.makefile("rb") as said:
                if said.read(10) != b"zINSTREAM\0":
                    wire.sendall(b"UNKNOWN COMMAND\0")
                    continue
                content = b""
                while size := struct.unpack("!L", said.read(4))[0]:
                    content += said.read(size)
                streams.append(content)
                found = b"stream: Eicar-Test-Signature FOUND\0" if EICAR in content else b"stream: OK\0"
                wire.sendall(found if answer is None else answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"tcp://127.0.0.1:{listener.getsockname()[1]}", streams
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_a_clean_file_and_a_virus_are_told_apart_whatever_the_chunks():
    content = bytes(range(256)) * 1024
    with clamd() as (address, streams):
        assert Scanner(address).scan(content).is_clean
        assert Scanner(address).scan(content + EICAR).found == "Eicar-Test-Signature"
    assert streams == [content, content + EICAR]


@pytest.mark.parametrize(
    "answer",
    [b"", b"\0", b"stream: OK", b"stream: O", b"OK\0", b"stream: OK\0stream: OK\0",
     b"INSTREAM size limit exceeded. ERROR\0", b"stream: OK FOUND maybe\0", b"\xff\xfe\0", b"x" * 10_000],
)  # fmt: skip
def test_what_is_no_whole_answer_says_nothing(answer):
    with clamd(answer) as (address, _), pytest.raises(ScannerAway):
        Scanner(address).scan(b"x")


def test_a_daemon_that_is_not_there_is_away():
    with clamd() as (address, _):
        pass
    with pytest.raises(ScannerAway):
        Scanner(address).scan(b"x", seconds=2)


@pytest.mark.parametrize(
    ("text", "right"),
    [("tcp://127.0.0.1:3310", True), ("unix:///run/clamav/clamd.ctl", True), ("tcp://127.0.0.1", False),
     ("http://127.0.0.1:3310", False), ("unix:clamd.ctl", False), ("tcp://[::1", False), ("", False)],
)  # fmt: skip
def test_an_address(text, right):
    assert is_address(text) is right
