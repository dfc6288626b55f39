"""What an address may give away: user names with passwords, and tokens among its parameters. Neither is ever shown."""

from __future__ import annotations

import re

_LOGIN = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^/?#\s'\"]*@")
_PARAMETER = re.compile(
    r"(?P<name>[?&;][^=&\s]*(?:token|key|signature|sig|secret|password|passwd|pwd|auth|credential|session)[^=&\s]*=)"
    r"[^&\s'\"#)]+",
    re.IGNORECASE,
)
HIDDEN = "***"
"""What stands in place of a secret."""


def without_secrets(text: str) -> str:
    """The text with logins and secret parameters of all addresses in it replaced by `HIDDEN`."""
    if "://" not in text:
        return text
    return _PARAMETER.sub(rf"\g<name>{HIDDEN}", _LOGIN.sub(rf"\g<scheme>{HIDDEN}@", text))
