"""Commands. Data goes to standard output, words to standard error; exit codes are in cli/exits.py."""
