"""Reads what mounted repositories declare. Executes nothing, follows nothing out of a repository, trusts no size."""
