"""Large files as offices hand them over, made column by column: minutes become seconds."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

import polars as pl

from benchmarks import dossiers

CELLS: Final = (
    "so_ho_so", "ma_thu_tuc", "ten_thu_tuc", "don_vi", "kenh", "trang_thai", "ngay_tiep_nhan",
    "ngay_hen_tra", "le_phi", "so_dinh_danh",
)  # fmt: skip
_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_XML: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PARTS: Final = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
    'relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
    + "".join(
        f'<Override PartName="/xl/{part}.xml" ContentType="application/vnd.openxmlformats-'
        f'officedocument.spreadsheetml.{kind}+xml"/>'
        for part, kind in (("workbook", "sheet.main"), ("worksheets/sheet1", "worksheet"),
                           ("styles", "styles"), ("sharedStrings", "sharedStrings"))
    )
    + "</Types>",
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
    f'Type="{_RELS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELS}"><sheets>'
    '<sheet name="Ho so" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    + "".join(
        f'<Relationship Id="rId{at}" Type="{_RELS}/{kind}" Target="{part}.xml"/>'
        for at, (kind, part) in enumerate(
            (("worksheet", "worksheets/sheet1"), ("styles", "styles"),
             ("sharedStrings", "sharedStrings")), 1)
    )
    + "</Relationships>",
    "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><fonts count="1"><font/></fonts>'
    '<fills count="1"><fill/></fills><borders count="1"><border/></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2"><xf numFmtId="0"/>'
    '<xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>',
}  # fmt: skip


def rows_of(count: int, scale: float) -> pl.DataFrame:
    """The newest dossiers, with the columns that the files have."""
    return pl.concat([f.select(CELLS) for f in dossiers.frames(count, scale=max(scale, 1e-6))])


def workbook(path: Path, rows: pl.DataFrame) -> None:
    """Writes an XLSX as Excel does: shared texts, numbers, and dates as styled numbers."""
    texts = [name for name, kind in rows.schema.items() if kind == pl.String]
    every = pl.concat([rows[name] for name in texts])
    titles = pl.Series(rows.columns, dtype=pl.String)
    shared = pl.concat([titles, every]).unique(maintain_order=True)
    number = pl.DataFrame({"text": shared, "at": pl.int_range(len(shared), eager=True)})
    cells = [pl.format('<row r="{}">', pl.col("row"))]
    numbered = rows.with_columns(pl.int_range(2, pl.len() + 2).alias("row"))
    for letter, (name, kind) in zip("ABCDEFGHIJ", rows.schema.items(), strict=True):
        place = pl.concat_str(pl.lit(f'<c r="{letter}'), pl.col("row"))
        if kind == pl.String:
            at = pl.col(name).replace_strict(number["text"], number["at"]).cast(pl.String)
            cells.append(pl.concat_str(place, pl.lit('" t="s"><v>'), at, pl.lit("</v></c>")))
        elif kind == pl.Datetime:
            days = pl.col(name).dt.epoch("s") / 86_400 + 25_569
            value = days.round(8).cast(pl.String)
            cells.append(pl.concat_str(place, pl.lit('" s="1"><v>'), value, pl.lit("</v></c>")))
        else:
            value = pl.col(name).cast(pl.Float64).cast(pl.String)
            cells.append(pl.concat_str(place, pl.lit('"><v>'), value, pl.lit("</v></c>")))
    body = numbered.select(pl.concat_str(*cells, pl.lit("</row>")).str.join(""))
    places = dict(zip(titles, number["at"], strict=False))
    header = "".join(
        f'<c r="{letter}1" t="s"><v>{places[name]}</v></c>'
        for letter, name in zip("ABCDEFGHIJ", rows.columns, strict=True)
    )
    sheet = f'<row r="1">{header}</row>{body.item()}'
    listed = number.select(pl.format("<si><t>{}</t></si>", pl.col("text")).str.join("")).item()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as package:
        for name, text in _PARTS.items():
            package.writestr(name, _XML + text)
        package.writestr(
            "xl/worksheets/sheet1.xml",
            f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>{sheet}</sheetData></worksheet>',
        )
        package.writestr("xl/sharedStrings.xml", f'{_XML}<sst xmlns="{_MAIN}">{listed}</sst>')


def xml(path: Path, rows: pl.DataFrame) -> None:
    """Writes one element a dossier, one child a value."""
    texts = _as_text(rows)
    cells = [pl.format(f"<{n}>{{}}</{n}>", pl.col(n)) for n in texts.columns]
    lines = texts.select(pl.concat_str(pl.lit("<hoSo>"), *cells, pl.lit("</hoSo>")).str.join("\n"))
    path.write_text(f'<?xml version="1.0"?>\n<danhSach>\n{lines.item()}\n</danhSach>\n', "utf-8")


def csv(path: Path, count: int, scale: float) -> None:
    """Writes a CSV of so many dossiers, piece by piece."""
    with path.open("wb") as sink:
        for at, frame in enumerate(dossiers.frames(count, scale=scale)):
            rows = _as_text(frame.select(CELLS))
            rows.write_csv(sink, include_header=at == 0)


def _as_text(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        pl.col(pl.Datetime).dt.strftime("%Y-%m-%d %H:%M:%S"), pl.col("le_phi").cast(pl.String)
    )
