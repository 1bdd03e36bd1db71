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

from ._broken import check_readable, refusing

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

__all__ = ["local_path", "unpacked"]

_ADDRESS = re.compile(r"^(?P<scheme>s3|gs|https?|ftp)://?(?P<rest>.+)$")
_FETCH = {"s3": "aws s3 cp", "gs": "gsutil cp"}
# more than a file of counts is compressed by, if it is larger than the second number of bytes
_MOST_PACKED, _LARGE = 300, 1_000_000_000
# kinds of errors that are passed on, the special ones first
_KINDS = (FileNotFoundError, PermissionError, OSError, MemoryError, ValueError)
# bytes that are copied at a time
_PART = 16_000_000
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
    check_readable(source)
    with source.open("rb") as file:
        magic = file.read(4)
    is_gzip, is_zip = magic[:2] == b"\x1f\x8b", magic == b"PK\x03\x04"
    if not (is_zip or (is_gzip and source.suffix == ".gz")):
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="steadyvelo-") as folder:
        place = Path(folder) / source.stem
        if is_gzip:
            _unpack(source, place)
        else:
            _extract(source, place)
        try:
            yield place
        except (ValueError, OSError, MemoryError) as error:
            # the user knows the packed file only
            kind = next(kind for kind in _KINDS if isinstance(error, kind))
            raise kind(str(error).replace(str(place), str(source))) from error


def _unpack(source: Path, place: Path) -> None:
    """Write the content of a gzip file."""
    said, n_bytes = "cannot be decompressed; it may be truncated:", 0
    with refusing(source, said), gzip.open(source) as file, place.open("wb") as out:
        while part := file.read(_PART):
            n_bytes += len(part)
            _check_size(source, n_bytes, len(part), place)
            out.write(part)


def _extract(source: Path, place: Path) -> None:
    """Write the content of a zip file."""
    place.mkdir()
    with refusing(source, "cannot be unpacked:"), zipfile.ZipFile(source) as archive:
        n_bytes = sum(part.file_size for part in archive.infolist())
        _check_size(source, n_bytes, n_bytes, place)
        archive.extractall(place)


def _check_size(source: Path, n_bytes: int, n_next: int, place: Path) -> None:
    """Refuse content that is too large for its file, or whose next bytes do not fit on the disk."""
    if n_bytes > max(_LARGE, _MOST_PACKED * source.stat().st_size):
        msg = (
            f"{source} unpacks to more than {n_bytes / 1e9:.1f} GB, which is no file of counts; it "
            "is corrupt."
        )
        raise ValueError(msg)
    free = shutil.disk_usage(place.parent).free
    if n_next > free:
        msg = (
            f"{source} unpacks to more than the {free / 1e9:.1f} GB that are free in "
            f"{place.parent.parent}; unpack it elsewhere (TMPDIR=FOLDER) and read what is in it."
        )
        raise ValueError(msg)
