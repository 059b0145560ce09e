"""`python -m fairlead`."""

from fairlead.edge.cli.main import main

if __name__ == "__main__":
    main()
