"""The patterns of --cvs-exclude, which are those that CVS ignores by itself."""

from __future__ import annotations

from collections.abc import Callable

from arsync.filters.rules import Clear, Cvs, Merge, Parsed, Rule, Style
from arsync.filters.syntax import parse_file, parse_old

#: The list in ``man rsync``, --cvs-exclude.
PATTERNS = rb"""
RCS SCCS CVS CVS.adm RCSLOG cvslog.* tags TAGS .make.state .nse_depinfo *~ #* .#* ,* _$* *$ *.old *.bak *.BAK *.orig
*.rej .del-* *.a *.olb *.o *.obj *.so *.exe *.Z *.elc *.ln core .svn/ .git/ .hg/ .bzr/
""".split()

_WORDS = Style(b"-", words=True, clears=True)


def cvs_rules(
    mention: Cvs, home: bytes | None, cvsignore: bytes | None, read: Callable[[bytes], bytes | None]
) -> list[Rule]:
    """The list's rules, those of $HOME/.cvsignore and those of $CVSIGNORE; a "!" forgets what stands before it.

    ``read`` returns a file's content, or None where there is none. The built-in ones alone are perishable. ``mention``
    is the rule that asks for the list: its modifiers are theirs.
    """
    prefix = b"-" if mention.exclude else b"+"
    perishable = mention.flags._replace(perishable=True)
    parsed: list[Parsed] = [
        parse_old(pattern, prefix, "", perishable, rooted=True, prefixes=False) for pattern in PATTERNS
    ]
    words = Merge(b"", False, mention.flags, _WORDS._replace(prefix=prefix))
    if home and (data := read(home + b"/.cvsignore")) is not None:
        parsed += parse_file(data, "~/.cvsignore", words, rooted=True)
    if cvsignore:
        parsed += parse_file(cvsignore, "$CVSIGNORE", words, rooted=True)
    rules: list[Rule] = []
    for item in parsed:
        if isinstance(item, Clear):
            rules.clear()
        elif isinstance(item, Rule):
            item.origin = b"global CVS"
            rules.append(item)
    return rules
