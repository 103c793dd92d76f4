"""Sessions in Redis or Valkey: one server, Sentinel or Cluster.

``url`` reads where that is, ``client`` makes redis-py's client of it, ``calls`` bounds and retries what is asked of it,
``storage`` asks, and ``changes`` listens.
"""
