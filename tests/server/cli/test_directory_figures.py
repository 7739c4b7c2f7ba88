"""The directory's measurement, on few cards."""

import asyncio

from server.cli.directory_figures import directory_figures


def test_a_directory_of_few_cards_is_measured_by_every_figure():
    """Written, read from PostgreSQL, saved, loaded, looked up and changed."""
    document = asyncio.run(directory_figures(3_000, lambda _step: None))
    assert document["cards"] == 3_000
    assert [figure["unit"] for figure in document["figures"]] == ["GB", "s", "s", "ms", "us"]
    assert all(figure["value"] is not None for figure in document["figures"])
