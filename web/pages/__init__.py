"""One file per page or act, named <noun>_<verb>.py. Each turns a request into a call of a service and a template."""
