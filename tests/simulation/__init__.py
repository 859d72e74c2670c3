"""AWS in memory: faults, bursts and crashes, thousands of times in a minute."""
