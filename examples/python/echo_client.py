#!/usr/bin/env python3
"""echo_client.py PEER: sends its input over a byte stream to echo_server.py at the peer, and prints what comes back."""
import shutil
import socket
import sys
import threading

from p2pd_api import Api, Refused


def talk(peer):
    api = Api()
    api.call("stream.open", peer=peer, service="echo")
    stream, early = api.take_stream()

    def send():
        shutil.copyfileobj(sys.stdin.buffer, stream.makefile("wb", buffering=0))
        stream.shutdown(socket.SHUT_WR)  # no more from here; what is on its way back still comes

    threading.Thread(target=send, daemon=True).start()
    data = early or stream.recv(65536)
    while data:
        sys.stdout.buffer.write(data)
        data = stream.recv(65536)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: echo_client.py PEER")
    try:
        talk(sys.argv[1])
    except (Refused, OSError) as error:
        sys.exit(f"echo_client.py: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
