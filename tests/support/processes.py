"""Python in a process of its own: for peak memory, and for users that aren't root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Not getrusage's ru_maxrss: on Linux a process that is begun inherits that of who began it.
_PEAK = """
import sys
def peak_mib():
    with open("/proc/self/status") as status:
        (peak,) = [line.split()[1] for line in status if line.startswith("VmHWM:")]
    return int(peak) // 1024
"""


def python(code: str, *arguments: str, before: str = "") -> str:
    """Runs code in a fresh interpreter that can import the project; returns what it prints.

    `peak_mib()` is defined for it: the highest resident memory so far, in MiB. `before` runs
    first of all. The code finds `arguments` in `sys.argv[1:]`.
    """
    done = subprocess.run(
        [sys.executable, "-c", before + _PEAK + code, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
