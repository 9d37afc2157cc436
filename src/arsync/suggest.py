"""What may have been meant by a word that is not known."""

from __future__ import annotations

from collections.abc import Iterable

#: How alike two words have to be (difflib's ratio): two letters in the wrong order in a word of three.
_ALIKE = 0.6

#: A second word that is less alike than the first by more than this was not meant.
_FARTHER = 0.2


def near(word: str, words: Iterable[str]) -> list[str]:
    """The words that may have been meant, the most likely first, at most two.

    >>> near("nmae", ["name", "mount", "del"]), near("xyz", ["name"]), near("archiv", ["archive", "recursive"])
    (['name'], [], ['archive'])
    """
    from difflib import SequenceMatcher, get_close_matches

    word = word.lower()
    found = get_close_matches(word, list(words), n=2, cutoff=_ALIKE)
    alike = [SequenceMatcher(None, other, word).ratio() for other in found]
    if len(found) == 2 and alike[0] - alike[1] > _FARTHER:
        del found[1]
    begun = [other for other in words if len(word) > 2 and other.startswith(word) and other not in found]
    return [*found, *begun][:2]


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """The same in words, to stand behind a message; "" where nothing is near.

    >>> did_you_mean("uringg", ["auto", "uring"])
    ' (did you mean uring?)'
    """
    found = near(word, list(words))
    return f" (did you mean {' or '.join(found)}?)" if found else ""
