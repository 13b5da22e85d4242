"""Calls in processes of their own, so that code from elsewhere touches no other process.

A server process, which imports mecsim and nothing foreign, forks a keeper for each call, and the keeper
forks the child that makes it. The keeper waits for the child, ends it at its limit, ends every process
that the child left behind, and reports how it ended. Where there is no fork, a call has a fresh process.
"""
