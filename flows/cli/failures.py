"""How the command shows an error: one block on stderr, a document on stdout with `--json`."""

from __future__ import annotations

from flows import faults
from flows.output import note, print_json
from schemas.errors import ConfigError


def exit_status(error: BaseException) -> int:
    """2 for a wrong configuration or command line, else 1."""
    return 2 if isinstance(error, ConfigError) else 1


def show(error: Exception, *, debug: bool, as_json: bool) -> None:
    """Prints what went wrong, where, and what to do next.

    Args:
        error: What was raised.
        debug: Add the error's way through our code.
        as_json: Print it as a JSON document too.
    """
    fault = faults.told(error)
    note(f"Error ({fault.kind}):")
    for line in fault.what.splitlines():
        note(f"  {line}")
    note(f"Next: {fault.step}")
    if debug:
        for line in faults.frames(error):
            note(line)
    if as_json:
        document = {"kind": type(error).__name__, "message": fault.what, "next": fault.step}
        print_json({"error": document})
