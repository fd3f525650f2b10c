"""Ways of cutting a list into pages: one module each, behind one protocol."""

from __future__ import annotations

from connectors.rest.paging.followed import Followed, Whole
from connectors.rest.paging.numbered import Numbered
from connectors.rest.paging.protocol import Pager
from connectors.rest.paging_options import (
    CursorPaging,
    LinkPaging,
    NextPaging,
    PagingOptions,
)


def pager_of(options: PagingOptions | None, *, url: str) -> Pager:
    """The way that the YAML states."""
    if options is None:
        return Whole()
    chosen = options.chosen
    if isinstance(chosen, CursorPaging | LinkPaging | NextPaging):
        return Followed(chosen, url=url)
    return Numbered(chosen)
