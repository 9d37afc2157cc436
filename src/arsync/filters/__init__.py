"""rsync's filter rules: which names are hidden from a transfer, which are protected from being deleted.

Nothing here touches a file or directory: what is in merge files comes through functions of the caller's.
"""

from __future__ import annotations

from arsync.filters.filters import Filters, Side
from arsync.filters.matcher import Matcher
from arsync.filters.scope import Scope, top

__all__ = ["Filters", "Matcher", "Scope", "Side", "top"]
