"""``python -m tomoset`` is the ``tomoset`` program."""

from tomoset.cli.app import main

if __name__ == "__main__":
    main()
