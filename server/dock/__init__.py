"""
The dock: where fronts in processes of their own reach the one core, over a Unix socket that carries the same records.

Floor plan, in reading order:

dock      the core's side: parcels and calls taken in, answers sent back
remote    the front's side: a core that may be away
kept      what a front answered in the core's stead, in a file until the core has it on disk
said      what a front has passed on of late, for who repeats it while the core is away
passage   one connection: frames in and out, whatever waits in one write
frames    the format of a frame, and what is in it
"""
