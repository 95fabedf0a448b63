"""`python -m web`."""

from web.main import main

main()
