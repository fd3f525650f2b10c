"""The canonical tables, by name. A new entity is one file here and one line below."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from schemas.entities.admin_unit import ADMIN_UNIT
from schemas.entities.agency import AGENCY
from schemas.entities.calendar_day import CALENDAR_DAY
from schemas.entities.document import DOCUMENT
from schemas.entities.dossier import DOSSIER
from schemas.entities.dossier_event import DOSSIER_EVENT
from schemas.entities.feedback import FEEDBACK
from schemas.entities.payment import PAYMENT
from schemas.entities.procedure import PROCEDURE
from schemas.errors import ConfigError
from schemas.fields import Entity
from schemas.names import unknown

_ALL = (
    DOSSIER,
    DOSSIER_EVENT,
    PAYMENT,
    DOCUMENT,
    FEEDBACK,
    AGENCY,
    ADMIN_UNIT,
    PROCEDURE,
    CALENDAR_DAY,
)

ENTITIES: Mapping[str, Entity] = MappingProxyType({one.name: one for one in _ALL})
"""Every entity by name: what happens first, then the references."""


def entity(name: str) -> Entity:
    """The entity of that name.

    Raises:
        ConfigError: There is none; the message names the nearest right one.
    """
    if name not in ENTITIES:
        raise ConfigError(unknown("entity", name, valid=ENTITIES))
    return ENTITIES[name]
