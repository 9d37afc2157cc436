"""``python -m arsync``."""

from arsync.cli.command import main

if __name__ == "__main__":
    main()
