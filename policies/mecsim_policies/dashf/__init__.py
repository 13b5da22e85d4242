"""DASHF as the paper has it, with fast arithmetic."""
