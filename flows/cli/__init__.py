"""The command `lienthong`: one file a group of verbs."""

from flows.cli.app import main

__all__ = ["main"]
