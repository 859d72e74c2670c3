"""Run a command, and end it when the parent is gone: ``python -m tests.localaws.minder DIRECTORY COMMAND …``.

The parent holds the other end of standard input. When that closes before the command is done, the command's whole
process group is killed, and the directory, in which it may have been writing, is removed once more.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading


def main() -> int:
    """Return the command's exit code."""
    directory, *command = sys.argv[1:]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def when_parent_is_gone() -> None:
        sys.stdin.read()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            shutil.rmtree(directory, ignore_errors=True)

    threading.Thread(target=when_parent_is_gone, daemon=True).start()
    # A Ctrl-C reaches the parent too, which then closes standard input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return process.wait()


if __name__ == "__main__":
    sys.exit(main())
