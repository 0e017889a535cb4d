"""`data.yaml`: how a member's file differs from a plain one. The schema is the consortium's, the file is its own."""

import codecs
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from fl_node import codes
from fl_node.data.beside import beside
from fl_node.data.errors import data_error
from fl_node.data.schema import Model
from network.errors import NetworkError
from network.yaml_lines import PlacedYaml

MAX_BYTES: Final = 1 << 20
"""The largest description: a line for each of 10,000 columns takes less."""

Character = Annotated[str, Field(pattern=r"^[\x01-\x7f]$")]
Compression = Literal["none", "gzip", "bz2", "zstd", "lz4"]
COMPRESSED: Final[Mapping[str, Compression]] = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}
"""What a file's last suffix says of its compression, where the description says nothing."""


class Description(Model):
    """How one file, or each file of a folder, is written. What is left out is as in a plain CSV file.

    Attributes:
        format: `csv` or `parquet`; by the file's suffix where it is left out.
        parts: Which files of the folder are read, as `part-*.csv`; all of them where it is left out.
        separator: Between two fields of a row; a comma, or a tab in a `.tsv` file.
        decimal: The decimal mark of numbers: a point or a comma.
        encoding: The text's encoding, by a name that Python knows.
        compression: By the file's suffix where it is left out.
        quote: Around a field that holds a separator; doubled within one.
        escape: Stands before a quote within a field, as Apache Spark writes a backslash.
        comment: How lines begin that are not read.
        dates: How dates are written, in the letters of Python's `strptime`, as `%d.%m.%Y`; ISO 8601 where left out.
        columns: The file's name of a column → the schema's, where they differ.
    """

    format: Literal["csv", "parquet"] | None = None
    parts: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    separator: Character | None = None
    decimal: Literal[".", ","] = "."
    encoding: Annotated[str, Field(max_length=40)] = "utf-8"
    compression: Compression | None = None
    quote: Character = '"'
    escape: Character | None = None
    comment: Annotated[str, Field(min_length=1, max_length=10)] | None = None
    dates: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    columns: dict[str, str] = Field(default_factory=dict)

    @field_validator("encoding")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            known = codecs.lookup(name)
        except (LookupError, ValueError) as error:
            raise ValueError(f"{name!r} is no encoding") from error
        if not known._is_text_encoding:  # noqa: SLF001 - Python's own mark of codecs that are none for text, as zip
            raise ValueError(f"{name!r} is no encoding of texts")
        return known.name

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        marks = [mark for mark in (self.separator or ",", self.quote, self.escape) if mark]
        if len(set(marks)) < len(marks) or set(marks) & {"\r", "\n"}:
            raise ValueError("separator, quote and escape are three different characters, none a line break")
        if len(set(self.columns.values())) != len(self.columns):
            raise ValueError("two columns of the file become one of the schema")
        return self


PLAIN: Final = Description()
"""A file without a description."""


def described(data: Path) -> Description:
    """Return what `data.yaml` says of a file or folder; a plain file where there is none.

    Raises:
        DataError: FL3109 naming the file and line.
    """
    path = beside(data)
    if not path.is_file():
        return PLAIN
    try:
        if path.stat().st_size > MAX_BYTES:
            raise data_error(codes.BAD_DESCRIPTION, f"more than {MAX_BYTES} bytes", str(path))
        placed = PlacedYaml.read(path)
        return Description.model_validate({} if placed.value is None else placed.value)
    except NetworkError as error:
        raise data_error(codes.BAD_DESCRIPTION, error.message, error.where) from error
    except ValidationError as error:
        first = error.errors()[0]
        said = first["msg"].removeprefix("Value error, ")
        name = ".".join(map(str, first["loc"]))
        raise data_error(
            codes.BAD_DESCRIPTION, f"{name}: {said}" if name else said, placed.place(tuple(first["loc"]))
        ) from error
