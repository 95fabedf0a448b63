"""Names of changes that running workflows must not notice. Each constant says why it exists and when it may go.

A change of the commands of a workflow (an activity more, another order) goes behind `workflow.patched(NAME)`.
There is none yet: no release has workflows that could still be running.
"""
