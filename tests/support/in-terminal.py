"""Runs a command in a pseudo-terminal of its own, as a person would.

usage: in-terminal.py '{"columns": 80, "keys": [["regex", "text"]], "seconds": 60}' COMMAND ARGUMENT...

Types each text when its regex has come up in what the command wrote since the text before it. Prints
{"code": exit code, "output": all that was written}; the code is null where the command had to be killed.
"""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

options = json.loads(sys.argv[1])
columns, keys = options["columns"], options["keys"]
child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    os.execvp(sys.argv[2], sys.argv[2:])

output = b""
seen = 0  # where the next regex begins to look
code = None
deadline = time.monotonic() + options["seconds"]
while time.monotonic() < deadline:
    ready, _, _ = select.select([terminal], [], [], 0.05)
    if ready:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            data = b""
        output += data
        if keys and (found := re.search(keys[0][0].encode(), output[seen:])):
            seen += found.end()
            os.write(terminal, keys.pop(0)[1].encode())
        if data:
            continue
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        code = os.waitstatus_to_exitcode(status)
        break
else:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
print(json.dumps({"code": code, "output": output.decode(errors="replace")}))
