"""Parts of static files."""

import pytest
from quart import Quart

CSS = "/static/app.css"


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("bytes=0-9", 206),
        ("bytes=-5", 200),
        ("bytes=-999999", 200),
        ("bytes=0-0,-1", 200),
        ("bytes=9-1", 416),
        ("bytes=999999-", 416),
        ("lines=1-2", 416),
        ("nonsense", 416),
    ],
)
async def test_range(app: Quart, asked: str, status: int) -> None:
    """The last bytes are not given apart: the whole file is."""
    client = app.test_client()
    whole = await (await client.get(CSS)).get_data(as_text=False)
    response = await client.get(CSS, headers={"Range": asked})
    assert response.status_code == status
    if status == 206:
        assert await response.get_data(as_text=False) == whole[:10]
    if status == 200:
        assert await response.get_data(as_text=False) == whole
