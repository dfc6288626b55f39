"""The assets, one module per group, in the order of the protocol.

An asset reads its inputs, makes one call into ``science`` or ``tools``, and returns the value with its metadata.
"""
