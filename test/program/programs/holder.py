"""Holds a listening socket, as a service manager does, and starts a program with it as file descriptor 3.

usage: holder.py tcp|unix:PATH COMMAND...

Says "port N", or "path PATH", and starts the command, for which it waits until that has said a line. For each line "restart" that it
reads, it ends the program with SIGTERM, waits for its end, starts it again, and says "restarted". At the end of its input it ends it.
"""

import os
import signal
import socket
import subprocess
import sys

where, *command = sys.argv[1:]
if where == "tcp":
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    said = f"port {listening.getsockname()[1]}"
else:
    path = where.split(":", 1)[1]
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    said = f"path {path}"
listening.listen(128)
if listening.fileno() != 3:
    os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)


def start():
    """The shell puts its own process id into the environment, and becomes the program."""
    program = subprocess.Popen(
        ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *command],
        env={**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"},
        pass_fds=[3],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    program.first = program.stdout.readline()
    return program


def stop(program):
    program.send_signal(signal.SIGTERM)
    program.stdout.read()
    return program.wait()


running = start()
print(said, flush=True)
print(running.first, end="", flush=True)
for line in sys.stdin:
    status = stop(running)
    if status != 0:
        sys.exit(f"the program has ended with {status}")
    running = start()
    print("restarted", flush=True)
sys.exit(stop(running))
