"""An office on loopback that does to its readers what networks and servers do.

`hostile_office()` opens one. Its truth (`truth`) is told in every way of paging (`listings`) to
whoever is let in (`auth`), and everything that goes wrong is a fault that counts its strikes
(`faults`). Without faults it keeps to its own OpenAPI description (`openapi`).
"""

from tests.support.hostile_office.clock import OfficeClock
from tests.support.hostile_office.office import HostileOffice, RateLimit, hostile_office
from tests.support.hostile_office.truth import Truth
from tests.support.hostile_office.wire import Answer, Ask, LoopbackServer

__all__ = [
    "Answer",
    "Ask",
    "HostileOffice",
    "LoopbackServer",
    "OfficeClock",
    "RateLimit",
    "Truth",
    "hostile_office",
]
