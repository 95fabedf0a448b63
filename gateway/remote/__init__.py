"""Sessions that run on another machine: their door is reached by an address and a token instead of a socket."""
