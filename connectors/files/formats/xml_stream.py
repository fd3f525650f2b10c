"""The elements at a path, one after the other, with the memory of one (and of what is above it).

A value of an element above its rows may stand behind them: XML has no order to rely on. So rows
wait for the end of the element they take values from; when too many wait, the values are taken
early, and at the end of that element they have to be the same still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lxml import etree

from connectors.files.formats.xml_paths import Element, FieldPath, RowPath, local_name
from schemas.errors import ConfigError

_FED_BYTES = 128 * 1024
_MOST_BYTES_WITHOUT_ROW = 16 * 1024 * 1024
Cells = list["str | None"]
Fields = Sequence[Sequence[FieldPath]]


class NotXmlError(Exception):
    """The text isn't XML, or can't be read as rows; says so without the file's name or a value."""


class RowStream:
    """Takes the rows out of one text.

    Args:
        path: Which elements are rows.
        fields: For each column its paths; the first that leads to a value counts.
        where: Beginning of every error.
        pending: How many rows wait for what stands behind them.
        look: Called with each row element.

    Raises:
        ConfigError: A path leads further up than `rows:` says what is there.
    """

    def __init__(
        self,
        path: RowPath,
        fields: Fields,
        *,
        where: str,
        pending: int,
        look: Callable[[Element], None] | None = None,
    ) -> None:
        self.count = 0
        self.root: Element | None = None
        self._path = path
        self._look = look
        self._most = pending
        self._own = _OwnCells(fields)
        self._above = [
            (column, at, path_up)
            for column, paths in enumerate(fields)
            for at, path_up in enumerate(paths)
            if path_up.up
        ]
        levels = {path_up.up for _, _, path_up in self._above}
        known = len(path.names) - 1
        self._top = max(levels, default=0)
        needs_whole = path.is_anywhere and any(f.is_ordinal and f.up for *_, f in self._above)
        if self._top > known or needs_whole:
            message = f"{where}: `fields:` lead further up than `rows:` names elements; write "
            raise ConfigError(message + "the whole path from the root")
        self._kept = {
            level: {step.name for *_, f in self._above if f.up == level for step in f.steps[:1]}
            for level in levels
        }
        self._waiting: list[Cells] = []
        self._starts = dict.fromkeys(range(1, known + 1), 0)
        self._early: dict[int, Cells] = {}
        self._ended = dict.fromkeys(range(known + 1), 0)
        self._chain: list[Element] = []
        self._last: dict[int, Element] = {}

    def rows(self, pieces: Iterator[bytes]) -> Iterator[Cells]:
        """Yields the cells of every row.

        Raises:
            NotXmlError: It isn't XML from some line on.
        """
        names = {name for name in self._path.names[-1 - self._top :]}
        names |= set(self._path.names) if not self._path.is_anywhere else set()
        parser = etree.XMLPullParser(
            events=("end",),
            tag=None if "*" in names else [f"{{*}}{name}" for name in names],
            encoding="utf-8",
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            remove_comments=True,
            remove_pis=True,
        )
        since = 0
        try:
            for piece in pieces:
                for start in range(0, len(piece), _FED_BYTES):
                    parser.feed(piece[start : start + _FED_BYTES])
                    before = self.count
                    yield from self._taken(parser)
                    since = since + _FED_BYTES if self.count == before else 0
                    if since > _MOST_BYTES_WITHOUT_ROW:
                        raise NotXmlError("has more than 16 MiB without the end of a row")
            self.root = parser.close()
        except etree.XMLSyntaxError as error:
            where = f" from line {error.lineno} on" if error.lineno else ""
            raise NotXmlError(f"isn't XML{where}, or ends too early") from None
        yield from self._taken(parser)
        yield from self._waiting

    def _taken(self, parser: etree.XMLPullParser) -> Iterator[Cells]:
        for _, element in parser.read_events():
            parent = element.getparent()
            if (self._chain and parent is self._chain[0] and self._is_row_name(element)) or (
                self._path.fits(element)
            ):
                yield from self._row(element, parent)
            else:
                yield from self._end_above(element)

    def _is_row_name(self, element: Element) -> bool:
        return self._path.names[-1] in {"*", local_name(element)}

    def _row(self, row: Element, parent: Element | None) -> Iterator[Cells]:
        self.count += 1
        if not self._chain or parent is not self._chain[0]:
            self._enter(row)
        self._ended[0] += 1
        if self._look is not None:
            self._look(row)
        cells = self._own.of(row, self._ended[0])
        self._release(row)
        if not self._top:
            yield cells
            return
        self._waiting.append(cells)
        if len(self._waiting) >= self._most:
            for level in self._starts:
                if level <= self._top:
                    found = self._fill(self._chain[level - 1], level)
                    self._stay_the_same(self._early.setdefault(level, found), found)
            yield from self._let_go()

    def _enter(self, row: Element) -> None:
        """A row with another parent: what is finished above it isn't needed any more."""
        chain = list(row.iterancestors())
        for level, element in enumerate(chain, 1):
            at = len(self._chain) - len(chain) + level - 1
            if 0 <= at < len(self._chain) and self._chain[at] is element:
                break
            if level == 1:
                self._ended[0] = 0
            self._forget(element, self._kept.get(level + 1, set()))
        self._chain = chain
        self._last.pop(0, None)

    def _release(self, row: Element) -> None:
        """Empties a row, and takes away what stands before it."""
        row.clear()
        previous = row.getprevious()
        if previous is not None:
            self._forget(row, self._kept.get(1, set()), until=self._last.get(0))
        self._last[0] = row

    def _forget(self, element: Element, kept: set[str], *, until: Element | None = None) -> None:
        parent = element.getparent()
        if parent is None:
            return
        previous = element.getprevious()
        while previous is not None:
            before = None if previous is until else previous.getprevious()
            name = local_name(previous)
            if name == self._path.names[-1] or ("*" not in kept and name not in kept):
                parent.remove(previous)
            previous = before

    def _end_above(self, element: Element) -> Iterator[Cells]:
        for level in self._starts:
            if self._path.fits(element, up=level):
                break
        else:
            return
        if level <= self._top:
            found = self._fill(element, level)
            self._stay_the_same(self._early.pop(level, found), found)
        self._ended[level] += 1
        self._ended[level - 1] = 0
        if level == self._top:
            yield from self._let_go()

    def _stay_the_same(self, early: Cells, found: Cells) -> None:
        if early != found:
            message = (
                f"has a value above its rows that stands behind more than {self._most} of them"
            )
            raise NotXmlError(message)

    def _fill(self, element: Element, level: int) -> Cells:
        """Gives the rows that wait the values of the element that far above them."""
        found: Cells = []
        for column, _, path in self._above:
            if path.up != level:
                continue
            value = str(self._ended[level] + 1) if path.is_ordinal else path.value(element)
            found.append(value)
            if value is not None:
                for cells in self._waiting[self._starts[level] :]:
                    if cells[column] is None:
                        cells[column] = value
        self._starts[level] = len(self._waiting)
        return found

    def _let_go(self) -> Iterator[Cells]:
        waiting, self._waiting = self._waiting, []
        self._starts = dict.fromkeys(self._starts, 0)
        yield from waiting


class _OwnCells:
    """Takes the cells of a row that are in the row itself, in one pass over its children.

    Args:
        fields: For each column its paths.
    """

    def __init__(self, fields: Fields) -> None:
        self._width = len(fields)
        own = [(column, path) for column, paths in enumerate(fields) for path in paths]
        own = [(column, path) for column, path in own if not path.up]
        self._ordinals = [column for column, path in own if path.is_ordinal]
        # What isn't below one child: the row's attributes, its own text, lists.
        self._direct = [(c, p) for c, p in own if p.is_list or not (p.steps or p.is_ordinal)]
        self._bare = [(c, p) for c, p in own if p.is_bare]
        self._below = [(c, p, p.after_first()) for c, p in own if p.steps and not p.is_list]
        self._by_tag: dict[str, _Targets] = {}

    def of(self, row: Element, ordinal: int) -> Cells:
        """The cells; those that come from above the row are None."""
        cells: Cells = [None] * self._width
        for column in self._ordinals:
            cells[column] = str(ordinal)
        for column, path in self._direct:
            if cells[column] is None:
                cells[column] = path.value(row)
        for child in row if self._below else ():
            targets = self._by_tag.get(child.tag)
            if targets is None:
                targets = self._by_tag[child.tag] = _Targets(self._below, local_name(child))
            for column, rest in targets.of(child):
                if cells[column] is None:
                    cells[column] = rest.value(child)
        for column, path in self._bare:
            if cells[column] is None:
                cells[column] = path.value(row)
        return cells


class _Targets:
    """What the children of one name are good for, by the values of their attributes."""

    def __init__(self, below: Sequence[tuple[int, FieldPath, FieldPath]], name: str) -> None:
        self._always: list[tuple[int, FieldPath]] = []
        self._by_value: dict[str, dict[str | None, list[tuple[int, FieldPath]]]] = {}
        for column, path, rest in below:
            step = path.steps[0]
            if step.name not in {"*", name}:
                continue
            if step.attribute is None:
                self._always.append((column, rest))
            else:
                values = self._by_value.setdefault(step.attribute, {})
                values.setdefault(step.value, []).append((column, rest))

    def of(self, child: Element) -> Sequence[tuple[int, FieldPath]]:
        """The columns that the child has a value for, and the way to it."""
        found = self._always
        for attribute, values in self._by_value.items():
            there = values.get(child.get(attribute))
            if there:
                found = found + there
        return found
