"""Runtimes: what executes the servers of workloads, how to find them, and which one to choose."""
