"""The contract as Python sees it: `from holdfast.v1 import authorization_pb2`. See proto/."""
