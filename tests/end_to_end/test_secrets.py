"""What is secret: in no file, log, metric or memory dump of a real server; and its key rotates under it."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import grpc
import pytest

from holdfast.v1 import accounts_pb2
from holdfast.v1 import authorization_pb2 as pb
from loadtest.processes import free_port
from server.keys import AHEAD_S, REPEATED_S
from server.store.portfolio import demo_pan, luhn_digit
from server.store.postgres import EmbeddedPostgres
from tests.end_to_end.callers import Refused, advise, calling, clear, linked, purchase, reversal
from tests.end_to_end.serving import CARDS, TRUSTED_FROM, end_postgres, execute, fresh_home, holdfast, serving

CARD = TRUSTED_FROM + 300


def unknown_pan(number):
    """A card number that is nobody's."""
    digits = f"49291234{number:07d}"
    return digits + luhn_digit(digits)


def core_limits(process_id):
    """The soft and the hard limit of a core file's size."""
    lines = Path(f"/proc/{process_id}/limits").read_text(encoding="ascii").splitlines()
    return next(line.split()[4:6] for line in lines if line.startswith("Max core file size"))
