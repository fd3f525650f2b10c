"""How the YAML says in which way a list comes in pages: `paging: ...`."""

from __future__ import annotations

from pydantic import Field, model_validator

from connectors.options import OptionsModel, Text


class _Paging(OptionsModel):
    """What every way of paging has."""

    size: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Rows asked for in one page."
    )
    size_parameter: Text | None = Field(
        default=None, description="Parameter that asks for so many rows."
    )
    total: Text | None = Field(
        default=None, description="Path of the number of all rows, in the answer (data.total)."
    )
    max_pages: int = Field(
        default=10_000, ge=1, description="A list of more pages is taken for one that never ends."
    )
    stable: bool | None = Field(
        default=None,
        description="Rows keep their place while the pages are read. Default: true for cursor; "
        "false for page, offset and slice, and for link and next whose addresses only count on "
        "(?page=2): these are read again until two reads agree or the rows are as many as `total` "
        "says.",
    )
    end_status: tuple[int, ...] = Field(
        default=(), description="Statuses that mean: there is no such page ([404])."
    )

    @model_validator(mode="after")
    def _size_is_asked_for(self) -> _Paging:
        if self.size_parameter is not None and self.size is None:
            message = "'size_parameter' needs 'size'"
            raise ValueError(message)
        return self


class _Flags(_Paging):
    """Numbered pages may say by a flag whether another one follows."""

    last: Text | None = Field(
        default=None, description="Path of what is true on the last page (Spring: last)."
    )
    more: Text | None = Field(
        default=None, description="Path of what is true while more follow (has_more)."
    )


class PagePaging(_Flags):
    """Pages by number."""

    parameter: Text = Field(default="page", description="Parameter with the page's number.")
    first: int = Field(default=1, ge=0, description="Number of the first page.")
    pages: Text | None = Field(
        default=None, description="Path of the number of pages, in the answer."
    )


class OffsetPaging(_Flags):
    """Pages by the number of rows before them."""

    parameter: Text = Field(default="offset", description="Parameter with the rows to skip.")
    first: int = Field(default=0, ge=0, description="Offset of the first row.")
    size_parameter: Text | None = Field(default="limit", description="Parameter with the size.")
    end_parameter: Text | None = Field(
        default=None,
        description="Parameter with the offset behind the page's last row, in place of the size "
        "(OpenCPS: end).",
    )
    size: int | None = Field(default=1000, ge=1, le=1_000_000, description="Rows of one page.")


class SlicePaging(_Flags):
    """Pages by number, without a total: they end by a flag, or by an empty page."""

    parameter: Text = Field(default="page", description="Parameter with the slice's number.")
    first: int = Field(default=0, ge=0, description="Number of the first slice.")


class CursorPaging(_Paging):
    """Each page gives what to ask the next one with."""

    parameter: Text = Field(default="cursor", description="Parameter that carries it back.")
    at: Text | None = Field(default=None, description="Path of the next cursor in the answer.")
    header: Text | None = Field(default=None, description="Header with the next cursor.")
    more: Text | None = Field(
        default=None, description="Path of what is true while more follow (has_more)."
    )

    @model_validator(mode="after")
    def _one_place(self) -> CursorPaging:
        if (self.at is None) == (self.header is None):
            message = "exactly one of 'at' and 'header' says where the next cursor is"
            raise ValueError(message)
        return self


class LinkPaging(_Paging):
    """The next page is a `Link` header (RFC 8288)."""

    rel: Text = Field(default="next", description="Relation of the next page.")


class NextPaging(_Paging):
    """The next page's URL stands in the answer."""

    at: Text = Field(default="next", description="Path of the next URL in the answer.")


class PagingOptions(OptionsModel):
    """Exactly one way in which a list comes in pages."""

    page: PagePaging | None = Field(default=None, description="By page number.")
    offset: OffsetPaging | None = Field(default=None, description="By offset and limit.")
    slice: SlicePaging | None = Field(default=None, description="By number, without a total.")
    cursor: CursorPaging | None = Field(default=None, description="By a cursor of the server.")
    link: LinkPaging | None = Field(default=None, description="By the Link header.")
    next: NextPaging | None = Field(default=None, description="By the next page's URL.")

    @model_validator(mode="after")
    def _exactly_one(self) -> PagingOptions:
        names = list(type(self).model_fields)
        if sum(getattr(self, name) is not None for name in names) != 1:
            message = f"exactly one of {', '.join(names)} is needed"
            raise ValueError(message)
        return self

    @property
    def chosen(
        self,
    ) -> PagePaging | OffsetPaging | SlicePaging | CursorPaging | LinkPaging | NextPaging:
        """The one that is stated."""
        found = (self.page, self.offset, self.slice, self.cursor, self.link, self.next)
        return next(one for one in found if one is not None)
