"""
What goes on about fraud beside the answer path.

Floor plan, in reading order:

labels       what became known of authorizations: checked, kept, handed to the core
"""
