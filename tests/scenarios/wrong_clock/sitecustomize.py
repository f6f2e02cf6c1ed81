"""Python imports this before anything else, where it is found first: the clock on the wall is wrong by WRONG_BY_S seconds.

What counts from the boot is the kernel's own business, and right on every host, whatever it believes the date to be.
"""

import datetime
import os
import time

_wrong_by_s = float(os.environ["MAILQ_TEST_WRONG_BY_S"])
_time, _time_ns, _localtime, _gmtime, _clock_gettime = time.time, time.time_ns, time.localtime, time.gmtime, time.clock_gettime
_datetime = datetime.datetime


class _LikeDatetime(type(_datetime)):
    """What the standard library has made is one as well."""

    def __instancecheck__(cls, instance):
        return isinstance(instance, _datetime)


class _WrongDatetime(_datetime, metaclass=_LikeDatetime):
    """A datetime whose present is wrong."""

    @classmethod
    def now(cls, tz=None):
        """The wrong present."""
        return _datetime.now(tz) + datetime.timedelta(seconds=_wrong_by_s)


def _wrong_clock_gettime(clock):
    return _clock_gettime(clock) + (_wrong_by_s if clock == time.CLOCK_REALTIME else 0)


time.time = lambda: _time() + _wrong_by_s
time.time_ns = lambda: _time_ns() + int(_wrong_by_s * 1e9)
time.localtime = lambda seconds=None: _localtime(time.time() if seconds is None else seconds)
time.gmtime = lambda seconds=None: _gmtime(time.time() if seconds is None else seconds)
time.clock_gettime = _wrong_clock_gettime
datetime.datetime = _WrongDatetime
