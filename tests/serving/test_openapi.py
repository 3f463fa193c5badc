"""The description of the service holds for the service, asked by requests made from it."""

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS, load_all_checks

from tests.serving.running import Running
from tests.serving.test_access import ENDPOINTS

load_all_checks()
_ACCEPTANCE = CHECKS.get_one("positive_data_acceptance")


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_the_service_answers_as_it_is_described(service: Running, method: str, path: str) -> None:
    described = schemathesis.openapi.from_url(f"{service.address}/openapi.json")
    key = {"Authorization": f"Bearer {service.keys['admin']}"}

    @given(case=described[path][method].as_strategy())
    @settings(max_examples=12, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def asked(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=key, excluded_checks=[_ACCEPTANCE])  # no schema says what a cell is

    asked()


def test_every_route_is_described_with_an_example_or_none_is_needed(service: Running) -> None:
    document = httpx.get(f"{service.address}/openapi.json").json()
    schemas = document["components"]["schemas"]
    for method, path in ENDPOINTS:
        operation = document["paths"][path][method.lower()]
        assert operation["summary"], path
        for answer in operation["responses"].values():
            for content in answer.get("content", {}).values():
                assert content.get("schema"), (path, content)
    for name in (
        "Answered",
        "ModelIdentity",
        "FeedbackTaken",
        "ReviewQueue",
        "VoteTaken",
        "KeyHolder",
        "ServiceStatus",
    ):
        assert any("examples" in field for field in schemas[name]["properties"].values()), name
