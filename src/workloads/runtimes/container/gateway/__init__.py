"""The program that stands between an isolated server and the world, in containers of its own.

A server whose network is isolated has a network of its own with nothing in it but loopback: no route, no bridge, no
neighbour, so no address of this machine either. Two small containers lead out of it. The *door* shares that network and
listens on its loopback; the *egress* is on an ordinary network and decides what may pass. They speak over Unix sockets
on a volume that only the two of them have.

Everything here uses the standard library alone, and nothing else of this package: it runs in an image that holds a
Python interpreter and these files.
"""
