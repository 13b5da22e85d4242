"""What tests compare with: slow, obvious implementations of the hard parts."""
