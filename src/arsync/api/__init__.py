"""``arsync.copy`` and ``arsync.acopy``: a run for other programs. docs/python.md tells how to use them, and why the run
gets a process of its own."""
