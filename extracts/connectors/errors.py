"""Errors at a provider, by the reaction: try again, wait, or fix something.

The libraries' own messages may quote users, object keys and signed addresses, so only the kind
of an error is passed on.
"""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fsspec.exceptions import FSTimeoutError

from firmpulse.errors import ConfigurationError, NotReadyError


class Interrupted(Exception):
    """The connection failed, not the provider's answer; worth another try."""


class Unreachable(NotReadyError):
    """A provider did not answer after all tries."""


class AccessRefused(ConfigurationError):
    """A provider answered, and would give the same answer again."""


@dataclass(frozen=True)
class Failures:
    """Errors of a library."""

    # May succeed next time.
    passing: tuple[type[Exception], ...] = ()
    # Will fail again.
    lasting: tuple[type[Exception], ...] = ()


_PASSING = (ConnectionError, TimeoutError, FSTimeoutError, socket.gaierror)
_PASSING_NUMBERS = {
    errno.EBUSY,
    errno.EREMOTEIO,
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.EAGAIN,
}


@contextmanager
def named(failures: Failures) -> Iterator[None]:
    """Turn the errors of a library into ours, without their texts.

    Raises:
        FileNotFoundError: passed on.
        Interrupted: worth another try.
        AccessRefused: another try changes nothing.
    """
    passing: tuple[type[Exception], ...] = (*_PASSING, *failures.passing)
    lasting: tuple[type[Exception], ...] = (OSError, *failures.lasting)
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, "no such file at the provider") from None
    except passing as error:
        raise Interrupted(type(error).__name__) from None
    except PermissionError:
        raise AccessRefused(
            "the provider refuses the login or the access; check the connection's credentials "
            "and its rights to list and read"
        ) from None
    except lasting as error:
        if isinstance(error, OSError) and error.errno in _PASSING_NUMBERS:
            raise Interrupted(type(error).__name__) from None
        raise AccessRefused(f"the provider answers with an error ({_kind(error)})") from None


def _kind(error: Exception) -> str:
    number = getattr(error, "errno", None)
    name = errno.errorcode.get(number, "") if isinstance(number, int) else ""
    return f"{type(error).__name__} {name}".strip()
