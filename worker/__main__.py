"""`python -m worker` runs one worker process."""

from worker.main import main

if __name__ == "__main__":
    main()
