"""bash's completion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from arsync.cli.reference.completes import Kind, completion
from arsync.cli.reference.rows import hidden, visible
from arsync.options.table import Row, Value

_HEAD = """\
# bash completion for arsync. Made from the program's own table: python -m arsync.cli.reference --bash
# It needs nothing but bash 4.4: source it, or put it where the package bash-completion looks.

# Offers the words that begin as what was typed. Of "--chown=root:ad" readline only replaces what follows the last
# letter of COMP_WORDBREAKS.
_arsync_offer()
{
    local typed=$1 current=${COMP_WORDS[COMP_CWORD]} word
    shift
    [[ $current == [=:] ]] && current=
    for word in "$@"; do
        [[ $word == "$typed"* ]] || continue
        if [[ $typed == *"$current" ]]; then
            COMPREPLY+=("${word#"${typed%"$current"}"}")
        else
            COMPREPLY+=("${current%"$typed"}$word")
        fi
    done
    ((${#COMPREPLY[@]})) || compopt +o default
}

# Words with commas between them.
_arsync_list()
{
    local typed=$1 before=
    shift
    [[ $typed == *,* ]] && before=${typed%,*},
    compopt -o nospace
    _arsync_offer "$typed" "${@/#/$before}"
}

_arsync_owner()
{
    local names
    if [[ $1 == *:* ]]; then
        mapfile -t names < <(compgen -g)
        _arsync_offer "$1" "${names[@]/#/${1%%:*}:}"
    else
        mapfile -t names < <(compgen -u)
        compopt -o nospace
        _arsync_offer "$1" "${names[@]/%/:}"
    fi
}
"""

_BODY = """
_arsync()
{
    local line=${COMP_LINE:0:COMP_POINT} last option= value before place
    COMPREPLY=()
    last=${line##*[[:space:]]}
    read -r -a before <<<"${line%"$last"}"
    for ((place = 1; place < ${#before[@]}; place++)); do
        [[ ${before[place]} == -- ]] && return
    done
    if [[ $last == --*=* ]]; then
        option=${last%%=*} value=${last#*=}
    elif ((${#before[@]} > 1)); then
        option=$(_arsync_waiting "${before[${#before[@]} - 1]}") value=$last
    fi
    if [[ -n $option ]]; then
        _arsync_value "$option" "$value"
    elif [[ $last == -* ]]; then
        _arsync_offer "$last" "${_arsync_options[@]}"
        ((${#COMPREPLY[@]})) || _arsync_offer "$last" "${_arsync_more[@]}"
        [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
    fi
}

complete -o default -F _arsync arsync
"""


def _array(name: str, rows: Iterable[Row]) -> Iterator[str]:
    yield f"{name}=("
    for row in rows:
        optional = isinstance(row, Value) and row.optional
        forms = ("", "=") if optional else ("=",) if isinstance(row, Value) else ("",)
        yield "    " + " ".join(
            name + equals for name in row.names for equals in (forms if name.startswith("--") else ("",))
        )
    yield ")"


def _waiting(rows: list[Row]) -> Iterator[str]:
    """The function that says which option a word leaves without its value: --filter, or -f at the end of -avf."""
    names = [name for row in rows if isinstance(row, Value) and not row.optional for name in row.names]
    letters = "".join(name[1:] for name in names if not name.startswith("--"))
    yield "# Which option the word leaves without its value, if any: --filter, or the last letter of -avf."
    yield "_arsync_waiting()"
    yield "{"
    yield "    local place"
    yield "    case $1 in"
    yield f"        {' | '.join(name for name in names if name.startswith('--'))})"
    yield '            printf %s "$1"'
    yield "            ;;"
    yield "        --*) ;;"
    yield "        -*)"
    yield "            for ((place = 1; place < ${#1}; place++)); do"
    yield f"                if [[ ${{1:place:1}} == [{letters}] ]]; then"
    yield '                    ((place + 1 == ${#1})) && printf %s "-${1:place:1}"'
    yield "                    return"
    yield "                fi"
    yield "            done"
    yield "            ;;"
    yield "    esac"
    yield "}"


def _values(rows: list[Row]) -> Iterator[str]:
    """The function that completes an option's value."""
    yield "_arsync_value()"
    yield "{"
    yield "    case $1 in"
    for row in rows:
        if not isinstance(row, Value):
            continue
        known = completion(row)
        words = " ".join(word for word, _ in known.words)
        action = {
            Kind.FILE: "",
            Kind.DIRECTORY: "compopt +o default -o dirnames",
            Kind.ONE: f'_arsync_offer "$2" {words}',
            Kind.LIST: f'_arsync_list "$2" {words}',
            Kind.OWNER: '_arsync_owner "$2"',
            Kind.NOTHING: "compopt +o default",
        }[known.kind]
        yield f"        {' | '.join(row.names)}) {action + ' ' if action else ''};;"
    yield "    esac"
    yield "}"


def lines() -> Iterator[str]:
    """The lines of the file."""
    offered, more = visible(), hidden()
    yield from _HEAD.splitlines()
    yield ""
    yield from _array("_arsync_options", offered)
    yield ""
    yield "# Offered where nothing else fits."
    yield from _array("_arsync_more", more)
    yield ""
    yield from _waiting([*offered, *more])
    yield ""
    yield from _values([*offered, *more])
    yield from _BODY.splitlines()
