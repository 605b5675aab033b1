"""What start.py is made of: from a bare machine to the ``servicelab`` command, with the standard library alone.

``steps`` shows and times what is done, ``environment`` makes ``.venv``, ``endpoints`` looks for a Docker engine,
``engine`` installs or starts one, and ``main`` puts them in order and hands over.
"""
