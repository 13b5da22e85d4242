"""Scenario files: everything a simulation depends on but policy and seed, validated once and frozen.

`schema` holds the model, `load` reads files, `explain` describes keys, `models` finds plug-ins.
"""
