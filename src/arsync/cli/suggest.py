"""What may have been meant by a word that is not known."""

from __future__ import annotations

from collections.abc import Iterable

#: How alike two words have to be (difflib's ratio): two letters in the wrong order in a word of three.
_ALIKE = 0.6


def near(word: str, words: Iterable[str]) -> list[str]:
    """The words that may have been meant, the most likely first, at most two.

    >>> near("nmae", ["name", "mount", "del"]), near("xyz", ["name"])
    (['name'], [])
    """
    from difflib import get_close_matches

    found = get_close_matches(word.lower(), list(words), n=2, cutoff=_ALIKE)
    begun = [other for other in words if len(word) > 2 and other.startswith(word.lower()) and other not in found]
    return [*found, *begun][:2]


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """The same in words, to stand behind a message; "" where nothing is near.

    >>> did_you_mean("uringg", ["auto", "uring"])
    ' (did you mean uring?)'
    """
    found = near(word, list(words))
    return f" (did you mean {' or '.join(found)}?)" if found else ""
