"""The command as a process: signals while native code runs, streams that cannot be written to, the folder it is in."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from qgen.training import interrupt
from qgen.user_files import printable

QGEN = [sys.executable, "-m", "qgen"]
#: Native code that lets other threads run, and takes minutes: no handler of Python's runs meanwhile.
NATIVE = "__import__('hashlib').pbkdf2_hmac('sha256', b'key', b'salt', 10**9)"
SCRIPT = f"""
import sys
from contextlib import nullcontext
from importlib.util import module_from_spec, spec_from_file_location
from qgen import interrupts
from qgen.cli import process

# `qgen.training` by itself imports torch, which takes seconds.
spec = spec_from_file_location("interrupt", {interrupt.__file__!r})
module = module_from_spec(spec)
spec.loader.exec_module(module)

def work():
    with module.StopRequest() if "graceful" in sys.argv else nullcontext():
        print("begun", flush=True)
        {NATIVE}

interrupts.GRACE = interrupts.PATIENCE = 0.5
process._run = work
sys.exit(process.run())
"""


def sane() -> None:
    """In the child: what a shell runs in the background ignores Ctrl-C, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def working(*words: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=sane,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    used, times = psutil.Process(process.pid).cpu_times().user, psutil.Process(process.pid).cpu_times
    while times().user < used + 0.3:  # by now it is in the native code
        time.sleep(0.01)
    return process


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    try:
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, error


@pytest.mark.parametrize("how", ["graceful", "plain"])
def test_a_second_ctrl_c_ends_native_code(how: str) -> None:
    process = working(how)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert "once more ends it at once" in process.stderr.readline()
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    code, error = ended(process)
    assert (code, error) == (130, "qgen: ended at once; what was written before is whole\n")


def test_sigterm_ends_native_code_after_a_grace() -> None:
    process = working("graceful")
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (143, "qgen: ended at once; what was written before is whole\n")


def test_sigterm_ends_at_once_where_nothing_is_in_hand() -> None:
    process = working("plain")
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == -signal.SIGTERM


def test_ctrl_c_in_a_destructor_is_one_even_before_the_signal_is_recorded() -> None:
    code = "from types import SimpleNamespace; from qgen.cli.process import _on_unraisable as hook; "
    code += "hook(SimpleNamespace(exc_value=KeyboardInterrupt()))"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    assert ended(process) == (130, "qgen: ended at once; what was written before is whole\n")


WORKING = [["train", "--data-dir", "."], ["backends"], ["describe", "unet"]]


def test_ctrl_c_at_any_moment_is_no_traceback(rng: np.random.Generator, tmp_path: Path) -> None:
    interrupted(WORKING[rng.integers(len(WORKING))], 1, rng, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("words", WORKING)
def test_ctrl_c_at_many_moments_is_no_traceback(words: list[str], rng: np.random.Generator, tmp_path: Path) -> None:
    interrupted(words, 6, rng, tmp_path)


def interrupted(words: list[str], moments: int, rng: np.random.Generator, tmp_path: Path) -> None:
    for after in rng.uniform(0.3, 4, moments):
        process = subprocess.Popen(
            [*QGEN, *words],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=sane,
        )
        time.sleep(after)
        process.send_signal(signal.SIGINT)
        code, error = ended(process)
        # 0: it was done before. The signal itself: Python had not yet begun, or had ended, which shells report as 130.
        assert code in (0, 130, -signal.SIGINT), error
        assert "Traceback" not in error


def shell(line: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        ["bash", "-c", line.replace("QGEN", f"{sys.executable} -m qgen")],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        check=False,
        timeout=120,
    )


STREAMS = [
    ("QGEN train --list >&-", 0, b""),
    ("QGEN train --list >&- 2>&-", 0, b""),
    ("QGEN jobs nothere >&- 2>&-", 1, b""),
    ("QGEN train --list <&-", 0, b""),
    ("QGEN train --list > /dev/full", 1, b"qgen: no space left on device\n"),
    ("QGEN jobs nothere 2> /dev/full", 1, b""),
    ("set -o pipefail; (QGEN train --list && QGEN train --list) | head -1 > /dev/null", 1, b""),
    ("set -o pipefail; QGEN train --list | true", 1, b""),
]


@pytest.mark.rows(3)
@pytest.mark.parametrize(("line", "code", "said"), STREAMS)
def test_streams_that_cannot_be_written_to(
    line: str, code: int, said: bytes, tmp_path: Path, rng: np.random.Generator
) -> None:
    """Buffered as usual, or not, as in many containers."""
    if "/dev/full" in line and not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    done = shell(line, tmp_path, PYTHONUNBUFFERED=str(rng.choice(["", "1"])))
    assert (done.returncode, done.stderr.lower()) == (code, said)


PRINTING = """
import sys
from qgen.cli import process
process._open_streams()
from qgen.cli.main import app
for name in sys.argv[1:]:
    for words in (["data", name, "--json"], ["data", name], ["train", name + ".yaml"]):
        try:
            app(words, prog_name="qgen")
        except SystemExit as end:
            sys.stdout.write(f"code {end.code}\\n")
"""


@pytest.mark.parametrize(
    "encoding", ["cp1252", *(pytest.param(name, marks=pytest.mark.slow) for name in ("ascii", "utf-8", "latin-1"))]
)
def test_every_name_can_be_printed_in_every_encoding(encoding: str, tmp_path: Path) -> None:
    """Names: Greek, markup of rich, a control character, and bytes that are no UTF-8."""
    names = ["αβγ".encode(), b"[red]x[y] :smile:", b"a\x1b[31mb", b"\xff\xfe"]
    for name in names:
        folder = os.path.join(os.fsencode(tmp_path), name)
        os.mkdir(folder)
        Image.new("L", (2, 2)).save(os.path.join(folder, b"one.png"))
    done = subprocess.run(
        [sys.executable, "-c", PRINTING, *names],
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = re.findall(
        r"^(\{.*?^\})\ncode 0\n(.*?)^code 0\ncode 1$", done.stdout.decode(encoding), re.DOTALL | re.MULTILINE
    )
    assert [json.loads(plain)["path"] for plain, _ in found] == [printable(os.fsdecode(name)) for name in names]
    assert "[red]x[y] :smile:" in found[1][1]
    lines = done.stderr.decode(encoding).splitlines()
    assert len(lines) == len(names)
    assert all(line.startswith("qgen: ") for line in lines)
    assert "\x1b" not in "".join(lines)


DEVSERVER = """
import sys
from qgen.cli import process
sys.argv = ["qgen", "devserver", "--device", "fake_manila=ibm_here", "--ideal", "--", sys.executable, "-c", sys.argv[1]]
sys.exit(process.run())
"""
PATIENT = """
import os, signal, socket, time
from urllib.parse import urlsplit
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append(1))
service = urlsplit(os.environ["QISKIT_IBM_URL"])
socket.create_connection((service.hostname, service.port)).close()
print("begun", flush=True)
while len(seen) < 3:
    time.sleep(0.01)
raise SystemExit(7)
"""


def test_a_child_of_the_devserver_may_take_any_number_of_ctrl_c() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", DEVSERVER, PATIENT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=sane,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    for _ in range(3):
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        time.sleep(0.2)
    code, error = ended(process)
    assert code == 7, error
    assert "devserver: 0 jobs" in error


BROKEN = ("yaml.py", "random.py", "struct.py", "pickle.py", "torch.py", "qiskit.py")


WORK = """
import sys
from qgen.transpilation.parallel import worker_processes
if __name__ == "__main__":
    with worker_processes(2) as run:
        print(run(abs, [-1, 2, -3, 4, -5, 6, -7, 8], lambda done: None))
"""


def test_processes_of_the_transpiler_do_not_import_from_the_folder(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    for name in BROKEN:
        (inside / name).write_text("raise SystemExit('imported')\n")
    script = tmp_path / "work.py"
    script.write_text(WORK)
    done = subprocess.run([sys.executable, str(script)], cwd=inside, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[1, 2, 3, 4, 5, 6, 7, 8]\n", "")


STUDY = """
import sys
from pathlib import Path
if __name__ == "__main__":
    sys.path.append(sys.argv[1])
    from trivial_study import run_here
    run_here(Path(sys.argv[2]), 1)
"""


def test_workers_of_a_study_do_not_import_from_the_folder(tmp_path: Path) -> None:
    import trivial_study

    from qgen.studies import write_study

    study = trivial_study.TrivialStudy(cells=(trivial_study.Cell(name="a"),))
    inside, script = tmp_path / "inside", tmp_path / "work.py"
    write_study(inside, study)
    for name in BROKEN:
        (inside / name).write_text("raise SystemExit('imported')\n")
    script.write_text(STUDY)
    support = str(Path(trivial_study.__file__).parent)
    command = [sys.executable, str(script), support, str(inside)]
    done = subprocess.run(command, cwd=inside, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("", "")
    assert trivial_study.found_values(inside, study) == trivial_study.expected_values(study)


Places = Callable[[Path], list[str]]
OUTPUTS: dict[str, Places] = {
    "describe --circuit": lambda at: ["describe", "--circuit", "hqconv", "--figure", str(at / "x.txt")],
    "data --figure": lambda at: ["data", "digits", "--figure", str(at / "x.png")],
    "backends show --figure": lambda at: ["backends", "show", "fake_manila", "--figure", str(at / "x.svg")],
    "transpile --html": lambda at: ["transpile", "--circuit", "basic", "--backend", "x", "--html", str(at / "x.html")],
    "transpile --pin": lambda at: ["transpile", "--circuit", "basic", "--backend", "x", "--pin", str(at / "x.json")],
    "train --out": lambda at: ["train", "--backend", "not-looked-at", "--out", str(at / "run")],
    "study --out": lambda at: ["study", "compare", "not-looked-at", "not-there", "--out", str(at / "study")],
}


@pytest.mark.parametrize("words", OUTPUTS.values(), ids=OUTPUTS.keys())
def test_an_output_that_cannot_be_written_is_refused_before_any_work(words: Places, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from qgen.cli.main import app

    blocked = tmp_path / "a file"
    blocked.touch()
    for place in (blocked, tmp_path / ("long" * 100)):
        result = CliRunner().invoke(app, words(place))
        assert result.exit_code == 1, result.output
        assert result.stderr.startswith(("qgen: Cannot write", "qgen: Cannot make the folder")), result.stderr
    assert sorted(tmp_path.iterdir()) == [blocked]
