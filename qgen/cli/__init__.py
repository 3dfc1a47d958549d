"""Words to calls: one file a command, no logic. What a command does is a function of the library."""
