"""What runs say together: intervals, paired differences, figures."""
