"""``--info=help`` and ``--debug=help``."""

from __future__ import annotations

from arsync.levels import DEBUG, DEBUG_ACTS, DEBUG_AT, INFO, INFO_AT

_HEAD = "Use OPT or OPT1 for level 1 output, OPT2 for level 2, etc.; OPT0 silences."


def info_help() -> str:
    """The list of --info's flags."""
    return _help("info", INFO, INFO_AT)


def debug_help() -> str:
    """The list of --debug's flags."""
    known = {name: DEBUG_ACTS.get(name, "Accepted as rsync's; there is no such message in arsync") for name in DEBUG}
    return _help("debug", known, DEBUG_AT)


def _help(option: str, flags: dict[str, str], at: tuple[str, ...]) -> str:
    lines = [_HEAD, ""]
    lines += [f"{name.upper():<10} {text}" for name, text in flags.items()]
    lines += [
        "",
        f"ALL        Set all --{option} options (e.g. all4)",
        f"NONE       Silence all --{option} options (same as all0)",
        "HELP       Output this help message",
        "",
        "Options added at each level of verbosity:",
    ]
    lines += [f"{level}) {names.upper()}" for level, names in enumerate(at) if names]
    return "\n".join(lines) + "\n"
