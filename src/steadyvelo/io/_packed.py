"""Files that are packed as a whole (gzip, zip), and addresses on the internet."""

from __future__ import annotations

import gzip
import re
import shutil
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ._text import decompressing

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

__all__ = ["local_path", "unpacked"]

_ADDRESS = re.compile(r"^(?P<scheme>s3|gs|https?|ftp)://?(?P<rest>.+)$")
_FETCH = {"s3": "aws s3 cp", "gs": "gsutil cp"}
# files that are read although they are compressed
_READ_PACKED = (".mtx.gz", ".tsv.gz", ".txt.gz", ".csv.gz")


def local_path(path: str | os.PathLike[str]) -> Path:
    """Return a path with ``~`` as the home folder; refuse an address on the internet."""
    # a Path has one slash after the colon
    address = _ADDRESS.match(str(path))
    if address is not None and not Path(path).exists():
        scheme, rest = address["scheme"], address["rest"].lstrip("/")
        fetch, end = _FETCH.get(scheme, "curl -LO"), " ." if scheme in _FETCH else ""
        msg = (
            f"{scheme}://{rest} is an address, and only local files are read; fetch it first: "
            f"{fetch} {scheme}://{rest}{end}"
        )
        raise ValueError(msg)
    return Path(path).expanduser()


@contextmanager
def unpacked(source: Path) -> Iterator[Path]:
    """Yield a path, or that of a temporary copy without compression of the whole file."""
    if not source.is_file() or source.name.endswith(_READ_PACKED):
        yield source
        return
    with source.open("rb") as file:
        magic = file.read(4)
    is_gzip, is_zip = magic[:2] == b"\x1f\x8b", magic == b"PK\x03\x04"
    if not (is_zip or (is_gzip and source.suffix == ".gz")):
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="steadyvelo-") as folder:
        place = Path(folder) / source.stem
        if is_gzip:
            with decompressing(source), gzip.open(source) as file, place.open("wb") as out:
                shutil.copyfileobj(file, out)
        else:
            _extract(source, place)
        try:
            yield place
        except (ValueError, OSError) as error:
            # the user knows the packed file only
            raise type(error)(str(error).replace(str(place), str(source))) from error


def _extract(source: Path, place: Path) -> None:
    place.mkdir()
    try:
        with zipfile.ZipFile(source) as archive:
            archive.extractall(place)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        msg = f"{source} cannot be unpacked: {error}"
        raise ValueError(msg) from error
