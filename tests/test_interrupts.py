"""A process that ends at once has the exit code of its signal, even if its main thread is done before that."""

import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, threading, time
from qgen.interrupts import listening, on_forced_exit

ended = threading.Event()

def end_children():
    ended.set()  # what the main thread waits for
    time.sleep(0.5)

signal.signal(signal.{name}, lambda number, frame: None)
with listening(), on_forced_exit(end_children):
    for _ in range({times}):
        os.kill(os.getpid(), signal.{name})
        time.sleep(0.2)
    ended.wait(20)
"""


@pytest.mark.parametrize(("name", "times", "code"), [("SIGINT", 2, 130), ("SIGTERM", 2, 143), ("SIGTERM", 1, 143)])
def test_the_exit_code_is_that_of_the_signal(name: str, times: int, code: int) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(name=name, times=times)], timeout=60, check=False)
    assert done.returncode == code
