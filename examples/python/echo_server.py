#!/usr/bin/env python3
"""echo_server.py: a service `echo` for all peers, over byte streams: what comes in goes back.

A connection to p2pd becomes the next stream that a peer opens; each stream has a thread here.
"""
import socket
import sys
import threading

from p2pd_api import Api, Refused


def echo(stream, early):
    with stream:
        data = early or stream.recv(65536)
        while data:
            stream.sendall(data)
            data = stream.recv(65536)
        stream.shutdown(socket.SHUT_WR)  # its end goes back too


def serve():
    print("listening", flush=True)
    while True:
        api = Api()
        peer = api.call("stream.listen", service="echo")["name"]
        print(f"a stream from {peer}", flush=True)
        threading.Thread(target=echo, args=api.take_stream(), daemon=True).start()


if __name__ == "__main__":
    try:
        serve()
    except (Refused, OSError) as error:
        sys.exit(f"echo_server.py: {error}")
    except KeyboardInterrupt:
        pass
