"""Who asks, and why: what is kept of whoever looks at values or decides about rows."""

from __future__ import annotations

import getpass
import os
from typing import Literal

from flows.context import Context
from schemas.errors import ConfigError
from schemas.personal import tells_a_person
from warehouse.acts import Act

_LONGEST = 500


def whoami() -> str:
    """The person, as the system knows them; behind `sudo` the one who called it."""
    asked = os.environ.get("SUDO_USER")
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        name = f"uid {os.getuid()}"
    return f"{asked} (as {name})" if asked and asked != name else name


def act_of(
    context: Context,
    act: Literal["reveal", "discard", "replay"],
    *,
    command: str,
    reason: str | None,
) -> Act:
    """What is written down of an act now.

    Raises:
        ConfigError: The reason is blank, too long, or holds a number or address of a person.
    """
    return Act(
        act=act,
        command=command,
        who=whoami(),
        at=context.clock(),
        reason=None if reason is None else checked_reason(reason),
    )


def checked_reason(reason: str) -> str:
    """A reason as it is kept.

    Raises:
        ConfigError: It is blank, too long, or holds a number or address of a person.
    """
    text = " ".join(reason.split())
    if not text:
        message = "--reason is blank: it is kept, for whoever asks later; say why in a few words"
        raise ConfigError(message)
    if len(text) > _LONGEST:
        message = f"--reason has {len(text)} characters; at most {_LONGEST} are kept"
        raise ConfigError(message)
    if tells_a_person(text):
        message = (
            "--reason holds a number as long as a person's, or an e-mail address. It is kept: say "
            "it without"
        )
        raise ConfigError(message)
    return text
