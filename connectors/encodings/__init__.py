"""Encodings of Vietnamese text that Python doesn't have, and which one a text is in.

Importing this package registers them: `codecs.lookup("tcvn3")` works from then on. It imports
nothing but the standard library.
"""

from __future__ import annotations

import codecs

from connectors.encodings.vietnamese import CODECS, search

codecs.register(search)

__all__ = ["CODECS"]
