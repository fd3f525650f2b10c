"""References to secrets: `${VARIABLE}`, `${file:/path}`, `${prefect:block}`.

A source's YAML names its secrets; only `Source.connect` turns the names into values, and nothing
keeps the values. An error names the reference, never what it stands for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import quote

from flows.catalog_errors import CatalogError, Place, Problem
from flows.yaml_lines import Node
from schemas.names import nearest

_REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_PASSWORD = re.compile(r"://[^/@:]*:(?!\$\{)[^@/]+@")

_PREFIXES = ("file", "prefect")

FORMS = "${VARIABLE}, ${file:/path} or ${prefect:block}"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A secret that a YAML names, and where it does."""

    name: str
    place: Place

    @property
    def kind(self) -> str:
        """`file`, `prefect` or `variable`."""
        prefix, colon, _ = self.name.partition(":")
        return prefix if colon else "variable"

    @property
    def target(self) -> str:
        """The variable, path or block that is named."""
        return self.name.partition(":")[2] or self.name


def references(node: Node) -> Iterator[Reference]:
    """Every reference in a part of a document, in order."""
    for text in node.texts():
        for name in _REFERENCE.findall(str(text.value)):
            yield Reference(name=name, place=text.place)


def reference_problems(node: Node) -> Iterator[Problem]:
    """What is wrong with the references of a part of a document, without resolving any."""
    for reference in references(node):
        is_variable = reference.kind == "variable" and _VARIABLE.match(reference.target)
        is_named = reference.kind in {"file", "prefect"} and reference.target
        if not is_variable and not is_named:
            guess = None if reference.kind == "variable" else nearest(reference.kind, _PREFIXES)
            yield Problem(
                place=reference.place, what="a reference to a secret",
                found=f"'${{{reference.name}}}'", expected=FORMS,
                nearest=guess,
            )  # fmt: skip


def is_written_out(text: str, *, is_url: bool) -> bool:
    """Whether a text holds a secret instead of naming it (in a URL: a password)."""
    if is_url:
        return _PASSWORD.search(text) is not None
    return _REFERENCE.search(text) is None


class Resolver:
    """Turns references into values. No dataclass: what lists its fields must not find values."""

    __slots__ = ("_env", "_folder", "_places")

    def __init__(
        self, *, env: Mapping[str, str], folder: Path, places: Mapping[str, Place]
    ) -> None:
        """Keeps where to look.

        Args:
            env: The environment's variables.
            folder: Folder of the YAML, which relative `file:` paths start from.
            places: Where each reference stands, for the error.
        """
        self._env = env
        self._folder = folder
        self._places = places

    def __repr__(self) -> str:
        return f"Resolver({', '.join(sorted(self._places))})"

    def resolved(self, value: object) -> object:
        """A plain value (of lists and dicts) with every reference replaced.

        Raises:
            CatalogError: A variable, file or block isn't there.
        """
        if isinstance(value, dict):
            return {key: self.resolved(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolved(item) for item in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        # Inside a URL a secret stands for one part of it: a slash in it must not end that part.
        is_part_of_url = "://" in text

        def value(match: re.Match[str]) -> str:
            secret = self._value(match.group(1))
            return quote(secret, safe="") if is_part_of_url else secret

        return _REFERENCE.sub(value, text)

    def _value(self, name: str) -> str:
        reference = Reference(name=name, place=self._places[name])
        match reference.kind:
            case "file":
                return self._of_file(reference)
            case "prefect":
                return self._of_block(reference)
            case _:
                return self._of_variable(reference)

    def _of_variable(self, reference: Reference) -> str:
        if reference.target not in self._env:
            guess = nearest(reference.target, [n for n in self._env if _VARIABLE.match(n)])
            raise _missing(
                reference, f"environment variable {reference.target}", "no such variable",
                f"it to be set: export {reference.target}=...", guess,
            )  # fmt: skip
        return self._env[reference.target]

    def _of_file(self, reference: Reference) -> str:
        path = self._folder / Path(reference.target).expanduser()
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "bytes that are no UTF-8"
            raise _missing(
                reference, f"secret file {path}", str(reason), "a readable file of one line"
            ) from None

    def _of_block(self, reference: Reference) -> str:
        from prefect.blocks.system import Secret

        try:
            return str(cast("Secret[str]", Secret.load(reference.target)).get())
        except Exception as error:  # noqa: BLE001 - the server's library has no common base
            raise _missing(
                reference, f"Prefect block {reference.target}", type(error).__name__,
                "a Secret block of that name on the server of PREFECT_API_URL",
            ) from None  # fmt: skip


def _missing(
    reference: Reference, what: str, found: str, expected: str, guess: str | None = None
) -> CatalogError:
    problem = Problem(
        place=reference.place, what=what, found=found, expected=expected, nearest=guess
    )
    return CatalogError([problem])
