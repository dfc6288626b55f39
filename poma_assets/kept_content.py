"""Are the files that a step keeps still those that it made: a disk, or somebody, may have changed them since."""

from dataclasses import dataclass

from poma_assets.resources import StudyResource

_CLOCK_GRAIN_S = 0.05


@dataclass(frozen=True)
class FileRecord:
    """Size and SHA-256 of a file when its step was stored, and when that was (seconds since the epoch)."""

    bytes: int
    sha256: str
    stored_at_s: float


def why_not_as_made(stored: str, record: FileRecord | None, study: StudyResource) -> str | None:
    """Why a kept file is not what its step made, in words; None if it is.

    The size is looked at always. The content is read only of a file that was written to after its step was stored, and
    once: a study that was copied with its times is not read through.

    Parameters
    ----------
    stored
        Path as in the table ``artefacts``.
    record
        None if it is not known; then it is enough that the file is there.
    """
    path = study.study.root / stored
    try:
        status = path.stat()
    except OSError:
        return f"its file {stored} is gone"
    if record is None:
        return None
    if status.st_size != record.bytes:
        return f"its file {stored} has {status.st_size} bytes instead of {record.bytes}"
    touched = status.st_mtime > record.stored_at_s + _CLOCK_GRAIN_S
    # Of a link the user's own file, whose hash is known by that name.
    content = path.resolve() if path.is_symlink() else path
    if touched and study.hashes.sha256(content) != record.sha256:
        return f"its file {stored} was changed"
    return None
