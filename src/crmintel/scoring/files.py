"""Files that are there whole or not at all, also after a crash."""

import os
from pathlib import Path


def written(path: Path, data: bytes) -> None:
    """A new file, its bytes on disk."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replaced(path: Path, data: bytes) -> None:
    """A file with these bytes, or as it was before."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")  # another process may be writing the same file
    written(beside, data)
    os.replace(beside, path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """The entries of a folder, on disk; file systems that cannot say so are left alone."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
