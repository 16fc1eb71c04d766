import os
import socket

from pages.ui import answering


def sends_at_once(connection):
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_connections_send_at_once():
    """Those that are open already, and those that come later."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with socket.create_connection(listening.getsockname()) as browser, listening.accept()[0] as accepted:
            assert not sends_at_once(accepted)
            answering.send_at_once.__wrapped__()
            assert sends_at_once(listening) and sends_at_once(accepted)
            accepted.sendall(b"still open")
            assert browser.recv(100) == b"still open"
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as later:
            assert sends_at_once(later)


def test_what_is_no_connection_stays_as_it_is():
    """A copy left open of a pipe's end would keep its reader from ever seeing the end."""
    reading, writing = os.pipe()
    answering.send_at_once.__wrapped__()
    os.close(writing)
    os.set_blocking(reading, False)
    assert os.read(reading, 1) == b""  # the end, and not a pipe that may still say something
    os.close(reading)
