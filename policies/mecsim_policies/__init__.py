"""The policies that ship with mecsim, registered through the entry-point group ``mecsim.policies``."""
