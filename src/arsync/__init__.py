"""arsync: copies file trees on one Linux machine as ``rsync`` does locally, through io_uring on every CPU."""

__version__ = "0.1.0"
