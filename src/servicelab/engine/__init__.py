"""A Compose application onto a Docker engine.

stacks.py       up, scale, down: the whole
convergence.py  one call of up: what has to be done, in what order, and how to undo it
spec.py         a service as the Docker API wants it; all labels
build.py        images of our own services
ready.py        when is it up
live_edit.py    change a running service's source
removal.py      take containers away
graph.py        tasks in parallel, each after those that it needs
client.py       Docker clients, one a thread
"""
