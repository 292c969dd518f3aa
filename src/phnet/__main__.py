"""``python -m phnet``, for launchers such as torchrun."""

from phnet.cli import main

if __name__ == "__main__":
    main()
