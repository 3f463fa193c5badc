"""Whatever is sent, the service does not fall over, and answers the next good request."""

import pytest

from tests.serving.hostile import GOOD, KINDS, hostile
from tests.serving.running import Running


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=lambda number: KINDS[number].__name__)
def test_hostile_uploads_are_the_clients_fault(service: Running, kind: int) -> None:
    with service.client() as client:
        for number in range(kind, 40 * len(KINDS), len(KINDS)):
            content_type, body = hostile(number)
            answer = client.post("/v1/predictions", content=body, headers={"Content-Type": content_type})
            assert answer.status_code < 500, (number, answer.text)
            if answer.status_code != 200:
                assert answer.json()["detail"], number
        good = client.post("/v1/predictions", content=GOOD["image/png"], headers={"Content-Type": "image/png"})
    assert good.status_code == 200
