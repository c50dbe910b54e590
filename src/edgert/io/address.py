"""Addresses of streams, and how to show one without the secrets in it."""

import re
from urllib.parse import parse_qsl, urlsplit

from edgert.errors import SourceError

__all__ = ["options_of", "redact", "scheme_of"]

_SCHEME = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]+)://")

# "user:pass@" before the host. The first form catches a password with a raw slash in it: what
# follows the colon is not a port, so everything up to the last "@" is taken for the secret.
_USER = re.compile(r"(?<=://)(?:[^/?#@\[]*:(?!\d*(?:[/?#]|$)).*@|[^/?#]*@)")

# Some cameras want the secret in the path or query: "/user=admin&password=1234&channel=1".
_FIELD = re.compile(
    r"((?:^|[?&;/_])(?:user|usr|username|login|pass|passwd|password|pwd|token|access_token|auth"
    r"|key|api_?key|secret|sig|signature)=)[^&;/#]*",
    re.IGNORECASE,
)


def scheme_of(text: str) -> str | None:
    """The part before "://" in lower case, or None for a path."""
    match = _SCHEME.match(text)
    return match.group(1).lower() if match else None


def redact(url: str) -> str:
    """The URL without user, password or token, fit for names, logs and error messages."""
    return _FIELD.sub(r"\1***", _USER.sub("", url))


def options_of(url: str, known: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Splits ``csi://0?width=1280`` into what follows the scheme and its options.

    Args:
        url: The address.
        known: Every option that the scheme has, with its default.

    Returns:
        ``("0", {**known, "width": "1280"})``.

    Raises:
        SourceError: An option that is not known.
    """
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    for option in given:
        if option not in known:
            names = ", ".join(known)
            raise SourceError(f"{url}: found the option {option!r}, expected one of {names}")
    return parts.netloc + parts.path, {**known, **given}
