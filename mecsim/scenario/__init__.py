"""Scenario files: what a simulation is made of, checked once and frozen afterwards.

`schema` holds the model, `load` turns files into it, `explain` answers what a key means.
"""
