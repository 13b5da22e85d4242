"""The figures of the paper (Qian and Zhao, arXiv 2310.17872) from snapshots of the shipped scenarios."""

from mecsim.study.paper.report import Reproduction, reproduce

__all__ = ["Reproduction", "reproduce"]
