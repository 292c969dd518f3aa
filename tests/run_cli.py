"""The command line as a file, for launchers that want one."""

from phnet.cli import main

if __name__ == "__main__":
    main()
