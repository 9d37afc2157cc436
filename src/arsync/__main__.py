"""``python -m arsync``."""

from arsync.cli.main import main

if __name__ == "__main__":
    main()
