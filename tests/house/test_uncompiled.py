"""The kernels are plain Python too."""

TIMEOUT_S = 300


def test_the_kernel_tests_pass_uncompiled(uncompiled):
    """The same claims hold with Numba switched off, where an index or an overflow can't hide."""
    process, told = uncompiled
    assert process.wait(TIMEOUT_S) == 0, told.read_text()[-4_000:]
