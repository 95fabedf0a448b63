"""`python -m gateway` runs the gateway process."""

from gateway.main import main

if __name__ == "__main__":
    main()
