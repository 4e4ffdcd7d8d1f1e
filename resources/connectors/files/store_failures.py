"""What a library of fsspec raised, as one of our errors with its way out.

What belongs here: telling refusals, absences and failures of the moment apart, for any store. What does not: reading (`objects.py`).

Libraries of a dozen vendors raise errors of their own, which can't be imported where they are not installed: they are told by what all have, a status
of HTTP, a class of Python's, or the name of their own.
"""

import re
from collections.abc import Iterator

from aios_core.errors import AiosError, ConfigurationError
from resources.connectors.failures import SourceDenied, SourceRefused, SourceUnavailable
from resources.connectors.files.streams import FileReplaced, FileUnreadable

PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "abfs": "adlfs", "sftp": "paramiko", "smb": "smbprotocol", "http": "aiohttp"}
PACKAGES |= {"oci": "ocifs", "oss": "ossfs", "webdav": "webdav4"}
SAME = {"s3a": "s3", "gcs": "gs", "abfss": "abfs", "az": "abfs", "adl": "abfs", "ssh": "sftp", "https": "http"}
WAYS_IN = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE) of who may list and read there; a public bucket needs"
    " `storage_options: {anon: true}`",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS to the key file of who may list and read there; a public bucket needs"
    " `storage_options: {token: anon}`",
    "abfs": "set AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY, or AZURE_STORAGE_CONNECTION_STRING",
    "http": "say who asks in `storage_options: {headers: {Authorization: Bearer ${YOUR_TOKEN}}}`",
}
ELSE = "give what its fsspec library signs in with as `storage_options`, with `${VAR}`"

_DENIED = re.compile(r"Credential|Auth|Forbidden|AccessDenied")
_PASSWORD = re.compile(r"(?<=://)[^/\s@:]*:[^/\s@]*@")
_QUERY = re.compile(r"(https?://[^\s?'\")]*)\?[^\s'\")]*")
_UNAUTHORISED, _GONE, _CHANGED, _AGAIN = (401, 403, 407), (404, 410), (412,), (408, 425, 429)


class FileMissing(ConfigurationError):
    """There is no such object, or no such bucket."""

    code = "file.missing"


def kin(protocol: str) -> str:
    """The protocol that a vendor's others are names of."""
    return SAME.get(protocol, protocol)


def failure(error: BaseException, *, where: str, protocol: str, reading: bool = False) -> AiosError:
    """Ours for what a store's library raised. `reading`: one file, whose trouble need not be that of the others."""
    if isinstance(error, AiosError):
        return error
    chain = list(_chain(error))
    status = next((s for e in chain if (s := _status(e)) is not None), None)
    reason = _reason(error)
    if any(type(e).__name__ == "FileExpired" for e in chain) or status in _CHANGED:
        return replaced(where)
    if status in _UNAUTHORISED or any(
        isinstance(e, PermissionError) or _DENIED.search(type(e).__name__) for e in chain
    ):
        return SourceDenied(f"{where}: access is denied ({reason}); {WAYS_IN.get(kin(protocol), ELSE)}")
    if status in _GONE or (isinstance(error, FileNotFoundError) and is_absence(error)):
        return missing(where)
    if status is not None and 400 <= status < 500 and status not in _AGAIN:
        return SourceRefused(
            f"{where}: the store says no ({reason}); check the source's `path` and `storage_options`", status=status
        )
    if any(isinstance(e, TypeError | ValueError | ImportError) for e in chain) and status is None:
        kind = FileUnreadable if reading else ConfigurationError
        return kind(f"{where}: {reason}; check the source's `path` and `storage_options`")
    return SourceUnavailable(
        f"{where}: the store can't be reached or does not answer ({reason}); try again, and see whether it is up"
    )


def is_absence(error: FileNotFoundError) -> bool:
    """Whether it says no more than its name: clients raise it for a network that is down and a bucket that is missing too."""
    return all(isinstance(e, FileNotFoundError | LookupError) for e in _chain(error))


def missing(where: str) -> FileMissing:
    return FileMissing(f"{where}: there is no such object or bucket; set the source's `path`")


def replaced(where: str) -> FileReplaced:
    return FileReplaced(
        f"{where}: was replaced while it was read; nothing of this part was kept, and the next read starts it anew"
    )


def not_installed(error: ImportError, *, where: str, protocol: str) -> ConfigurationError:
    """The way out names the package, and the extra where we have one."""
    package = PACKAGES.get(kin(protocol))
    extra = " (or `aios[s3]`)" if package == "s3fs" else ""
    way = f"pip install {package}{extra}" if package else str(error)
    return ConfigurationError(f"{where}: what reads {protocol}:// is not installed ({error}); {way}")


def shown(text: str) -> str:
    """Without what may be secret in a URL: user, password and query."""
    return _QUERY.sub(r"\1", _PASSWORD.sub("", text))


def _reason(error: BaseException) -> str:
    """What the innermost says: outer ones often name no more than the path."""
    said = [f"{type(e).__name__}: {e}" if str(e) else type(e).__name__ for e in _chain(error)]
    return shown(" ".join(said[-1].split()))[:300]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__


def _status(error: BaseException) -> int | None:
    """HTTP's, where the error knows one: of aiohttp, google, azure and requests; then botocore's."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        found = next(
            (v for n in ("status", "status_code", "code") if isinstance(v := getattr(error, n, None), int)), None
        )
        if found is None:
            found = getattr(response, "status_code", None)
    return found if isinstance(found, int) and 300 <= found < 600 else None
