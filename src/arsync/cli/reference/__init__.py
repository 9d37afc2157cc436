"""What is made from the option table for people and shells: the page of options, the manual page, completions.

``python -m arsync.cli.reference`` prints or installs them. It needs nothing but Python, so that a package can be built
where neither click nor the binding is installed.
"""

from __future__ import annotations

from arsync.cli.reference.markdown import page

__all__ = ["page"]
